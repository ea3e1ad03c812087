//! kubectl's own flags, resolved to a client the way kubectl resolves them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::config::{Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use kube::{Client, Config};
use tokio::time::Instant;

use crate::api_error::{self, ApiError, ApiErrorKind};
use crate::tally::Tally;

/// A request that takes longer has been lost: what is asked here answers in milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// kubectl's connection flags, as given.
#[derive(Clone, Default)]
pub struct ConnectFlags {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub server: Option<String>,
    pub token: Option<String>,
    pub certificate_authority: Option<PathBuf>,
    pub insecure_skip_tls_verify: Option<bool>,
    pub as_user: Option<String>,
    pub as_groups: Vec<String>,
    pub as_uid: Option<String>,
    /// Zero means no limit, as for kubectl.
    pub request_timeout: Option<Duration>,
    pub namespace: Option<String>,
}

/// A client and what it is connected to.
#[derive(Clone)]
pub struct Connection {
    pub client: Client,
    /// Empty when there is no kubeconfig.
    pub context: String,
    pub server: String,
    /// From the flag, else from the context; none when neither says.
    pub default_namespace: Option<String>,
    pub flags: ConnectFlags,
    pub(crate) silence: Silence,
    pub tally: Tally,
}

/// An API server that has just come back refuses everybody until it has read its roles.
#[derive(Clone, Default)]
pub(crate) struct Silence(Arc<Mutex<Option<Instant>>>);

impl Silence {
    const UNTIL_ROLES_ARE_READ: Duration = Duration::from_secs(30);

    /// A refusal soon after silence is told as what it is: no answer yet.
    pub(crate) fn judge(&self, mut error: ApiError) -> ApiError {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error.kind {
            ApiErrorKind::Unreachable => *last = Some(Instant::now()),
            ApiErrorKind::Forbidden if last.is_some_and(|last| last.elapsed() < Self::UNTIL_ROLES_ARE_READ) => {
                error.kind = ApiErrorKind::Unreachable;
            }
            ApiErrorKind::Forbidden
            | ApiErrorKind::NotFound
            | ApiErrorKind::Conflict
            | ApiErrorKind::AlreadyExists
            | ApiErrorKind::Invalid
            | ApiErrorKind::Timeout
            | ApiErrorKind::Other => {}
        }
        error
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("there is no context {name:?} in the kubeconfig{}", nearest(.known))]
    NoContext { name: String, known: Vec<String> },
    #[error("the kubeconfig names no current context{}", nearest(.known))]
    NoCurrentContext { known: Vec<String> },
    #[error("there is no cluster {name:?} in the kubeconfig{}", nearest(.known))]
    NoCluster { name: String, known: Vec<String> },
    #[error("there is no user {name:?} in the kubeconfig{}", nearest(.known))]
    NoUser { name: String, known: Vec<String> },
    #[error("there is no kubeconfig, and this is not a pod of a cluster")]
    NoKubeconfig,
    #[error("cannot read the kubeconfig: {0}")]
    Unreadable(String),
    #[error("cannot make a client: {0}")]
    Client(String),
}

fn nearest(known: &[String]) -> String {
    if known.is_empty() { "; it holds none".to_owned() } else { format!("; there are: {}", known.join(", ")) }
}

impl Connection {
    /// Around any client; for tests.
    pub fn for_tests(client: Client) -> Self {
        Self {
            client,
            context: "test".to_owned(),
            server: "https://test.invalid".to_owned(),
            default_namespace: None,
            flags: ConnectFlags::default(),
            silence: Silence::default(),
            tally: Tally::default(),
        }
    }

    pub fn request_timeout(&self) -> Duration {
        match self.flags.request_timeout {
            None => REQUEST_TIMEOUT,
            Some(Duration::ZERO) => Duration::from_secs(24 * 60 * 60),
            Some(limit) => limit,
        }
    }

    /// Resolves the flags. Says nothing to the server yet.
    pub async fn connect(flags: ConnectFlags) -> Result<Self, ConnectError> {
        let (mut config, context) = match kubeconfig(&flags)? {
            Some(kubeconfig) => from_kubeconfig(kubeconfig, &flags).await?,
            None => (in_cluster(&flags)?, String::new()),
        };
        // Whether to repeat a request is decided by who knows what it does.
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(5));
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let default_namespace = flags.namespace.clone().or_else(|| Some(config.default_namespace.clone()));
        let client = Client::try_from(config).map_err(|error| ConnectError::Client(api_error::told(&error)))?;
        Ok(Self {
            client,
            context,
            server,
            default_namespace,
            flags,
            silence: Silence::default(),
            tally: Tally::default(),
        })
    }
}

/// The file named by the flag, else those of `KUBECONFIG`, else `~/.kube/config`; none when nothing of that exists.
fn kubeconfig(flags: &ConnectFlags) -> Result<Option<Kubeconfig>, ConnectError> {
    let read = |path: &PathBuf| {
        Kubeconfig::read_from(path)
            .map_err(|error| ConnectError::Unreadable(format!("{}: {}", path.display(), api_error::chain(&error))))
    };
    if let Some(path) = &flags.kubeconfig {
        return read(path).map(Some);
    }
    let named = std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty());
    let paths: Vec<PathBuf> = match &named {
        Some(paths) => std::env::split_paths(paths).collect(),
        None => etcetera::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    };
    let mut merged: Option<Kubeconfig> = None;
    for path in paths.iter().filter(|path| path.is_file()) {
        let next = read(path)?;
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|error| ConnectError::Unreadable(api_error::chain(&error)))?,
        });
    }
    Ok(merged)
}

fn in_cluster(flags: &ConnectFlags) -> Result<Config, ConnectError> {
    if let Some(name) = &flags.context {
        return Err(ConnectError::NoContext { name: name.clone(), known: Vec::new() });
    }
    if let Some(server) = &flags.server {
        let url = server.parse().map_err(|error| ConnectError::Client(format!("--server {server}: {error}")))?;
        let mut config = Config::new(url);
        config.accept_invalid_certs = flags.insecure_skip_tls_verify.unwrap_or(false);
        config.root_cert_file.clone_from(&flags.certificate_authority);
        authenticate(&mut config.auth_info, flags);
        return Ok(config);
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() {
        return Err(ConnectError::NoKubeconfig);
    }
    let mut config = Config::incluster().map_err(|error| ConnectError::Client(api_error::chain(&error)))?;
    authenticate(&mut config.auth_info, flags);
    Ok(config)
}

async fn from_kubeconfig(mut kubeconfig: Kubeconfig, flags: &ConnectFlags) -> Result<(Config, String), ConnectError> {
    let context = choose_context(&mut kubeconfig, flags)?;
    let chosen = kubeconfig.contexts.iter().find(|named| named.name == context).and_then(|named| named.context.clone());
    let chosen = chosen.unwrap_or_default();
    let cluster_name = flags.cluster.clone().unwrap_or_else(|| chosen.cluster.clone());
    let user_name = flags.user.clone().or_else(|| chosen.user.clone()).unwrap_or_default();
    let clusters = kubeconfig.clusters.iter().map(|named| named.name.clone()).collect();
    let cluster = kubeconfig.clusters.iter_mut().find(|named| named.name == cluster_name);
    let Some(NamedCluster { cluster: Some(cluster), .. }) = cluster else {
        return Err(ConnectError::NoCluster { known: by_nearness(&cluster_name, clusters), name: cluster_name });
    };
    override_cluster(cluster, flags);
    if !kubeconfig.auth_infos.iter().any(|named| named.name == user_name) {
        if flags.user.is_some() {
            let users = kubeconfig.auth_infos.iter().map(|named| named.name.clone()).collect();
            return Err(ConnectError::NoUser { known: by_nearness(&user_name, users), name: user_name });
        }
        kubeconfig.auth_infos.push(NamedAuthInfo {
            name: user_name.clone(),
            auth_info: Some(kube::config::AuthInfo::default()),
            ..NamedAuthInfo::default()
        });
    }
    for named in kubeconfig.auth_infos.iter_mut().filter(|named| named.name == user_name) {
        authenticate(named.auth_info.get_or_insert_default(), flags);
    }
    let options =
        KubeConfigOptions { context: Some(context.clone()), cluster: Some(cluster_name), user: Some(user_name) };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| ConnectError::Unreadable(api_error::chain(&error)))?;
    Ok((config, context))
}

/// The flag's context, else the current one. With `--server` or `--cluster` alone none is needed.
fn choose_context(kubeconfig: &mut Kubeconfig, flags: &ConnectFlags) -> Result<String, ConnectError> {
    let known: Vec<String> = kubeconfig.contexts.iter().map(|named| named.name.clone()).collect();
    let current = kubeconfig.current_context.clone().filter(|name| !name.is_empty());
    match flags.context.clone().or(current) {
        Some(name) if known.contains(&name) => Ok(name),
        Some(name) => Err(ConnectError::NoContext { known: by_nearness(&name, known), name }),
        None if flags.server.is_some() || flags.cluster.is_some() => {
            let cluster = flags.cluster.clone().unwrap_or_default();
            if flags.cluster.is_none() {
                kubeconfig.clusters.push(NamedCluster {
                    name: String::new(),
                    cluster: Some(Cluster::default()),
                    ..NamedCluster::default()
                });
            }
            kubeconfig.contexts.push(NamedContext {
                name: String::new(),
                context: Some(Context { cluster, ..Context::default() }),
                ..NamedContext::default()
            });
            Ok(String::new())
        }
        None => Err(ConnectError::NoCurrentContext { known }),
    }
}

fn override_cluster(cluster: &mut Cluster, flags: &ConnectFlags) {
    if let Some(server) = &flags.server {
        cluster.server = Some(server.clone());
    }
    if let Some(path) = &flags.certificate_authority {
        cluster.certificate_authority = Some(path.display().to_string());
        cluster.certificate_authority_data = None;
    }
    if let Some(insecure) = flags.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = Some(insecure);
    }
}

fn authenticate(user: &mut kube::config::AuthInfo, flags: &ConnectFlags) {
    if let Some(token) = &flags.token {
        user.token = Some(token.clone().into());
        user.token_file = None;
        user.exec = None;
        user.auth_provider = None;
    }
    if let Some(name) = &flags.as_user {
        user.impersonate = Some(name.clone());
    }
    if let Some(uid) = &flags.as_uid {
        user.impersonate_uid = Some(uid.clone());
    }
    if !flags.as_groups.is_empty() {
        user.impersonate_groups = Some(flags.as_groups.clone());
    }
}

/// The known names, those that look like the wanted one first.
fn by_nearness(wanted: &str, mut known: Vec<String>) -> Vec<String> {
    known.sort_by_key(|name| strsim::damerau_levenshtein(wanted, name));
    known.truncate(5);
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_right_after_a_silence_may_pass_and_a_later_one_is_final() {
        let silence = Silence::default();
        let refused = || ApiError { code: Some(403), ..ApiError::new(ApiErrorKind::Forbidden, "told") };
        assert!(!silence.judge(refused()).is_passing());
        silence.judge(ApiError::new(ApiErrorKind::Unreachable, "connection refused"));
        assert!(silence.judge(refused()).is_passing());
        tokio::time::advance(Duration::from_secs(40)).await;
        assert!(!silence.judge(refused()).is_passing());
    }

    const TWO: &str = r"
apiVersion: v1
kind: Config
current-context: staging
contexts:
- {name: staging, context: {cluster: a, user: me, namespace: shop}}
- {name: production, context: {cluster: b, user: me}}
clusters:
- {name: a, cluster: {server: 'https://a.invalid:6443'}}
- {name: b, cluster: {server: 'https://b.invalid:6443'}}
users:
- {name: me, user: {token: abc}}
";

    async fn connect(change: impl FnOnce(&mut ConnectFlags)) -> Result<Connection, ConnectError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, TWO).unwrap();
        let mut flags = ConnectFlags { kubeconfig: Some(path), ..ConnectFlags::default() };
        change(&mut flags);
        Connection::connect(flags).await
    }

    #[tokio::test]
    async fn the_current_context_decides_unless_a_flag_does() {
        let current = connect(|_| {}).await.unwrap();
        assert_eq!((current.context.as_str(), current.server.as_str()), ("staging", "https://a.invalid:6443"));
        assert_eq!(current.default_namespace.as_deref(), Some("shop"));
        let named = connect(|flags| flags.context = Some("production".to_owned())).await.unwrap();
        assert_eq!(named.server, "https://b.invalid:6443");
        let server = connect(|flags| flags.server = Some("https://c.invalid".to_owned())).await.unwrap();
        assert_eq!(server.server, "https://c.invalid");
    }

    #[tokio::test]
    async fn a_context_that_does_not_exist_is_answered_with_the_nearest() {
        let error = connect(|flags| flags.context = Some("prodction".to_owned())).await.err().unwrap();
        assert_eq!(
            error.to_string(),
            "there is no context \"prodction\" in the kubeconfig; there are: production, staging"
        );
    }
}
