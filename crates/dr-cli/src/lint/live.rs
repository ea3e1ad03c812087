//! `--live`: what is read of the cluster, and what is said of it. Nothing is ever written there.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::Args;
use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::recovery;
use dr_core::select::Version as Exact;
use dr_lint::live::Cluster;
use dr_lint::{Input, Version};

use crate::flags::{self, Connection, Flags};
use crate::glue::{self, Session};
use crate::report::Failure;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct LiveArgs {
    /// Judge the Schedules, Backups, Restores and locations of the cluster, and the files by what is in it; a file takes the
    /// place of its namesake there
    #[arg(long)]
    pub(super) live: bool,
    /// With --live: workloads and claims of this namespace alone
    #[arg(short = 'n', long = "namespace", visible_alias = "ns", value_name = "NAMESPACE", requires = "live")]
    namespace: Option<String>,
    /// With --live: the namespace that Velero runs in; found by itself when there is only one
    #[arg(long, value_name = "NAMESPACE", requires = "live")]
    velero_namespace: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What is told of the cluster, beside its findings.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) context: String,
    pub(super) server: String,
    /// Of Velero's server, or why it is not known.
    version: Result<Exact, String>,
    /// By which schemas the run judges, and whether somebody has said so.
    judged_as: (Version, bool),
}

/// Facts with the version that is in them.
pub(super) struct Read {
    pub(super) facts: Facts,
    pub(super) version: Result<Exact, String>,
}

impl LiveArgs {
    /// A flag that says which cluster, where none is asked for.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let given = self.connection.given();
        match given.filter(|_| !self.live) {
            Some(flag) => Err(Failure::usage(format!("{flag} is for --live")).hint("kubectl dr lint --live")),
            None => Ok(()),
        }
    }

    /// Reads the cluster; `named` are the policies that files name. What a program prints is not mixed with progress.
    pub(super) fn read(&self, named: &BTreeSet<String>, for_programs: bool) -> Result<Read, Failure> {
        let flags = Flags {
            namespace: self.namespace.clone(),
            connection: self.connection.clone(),
            velero_namespace: self.velero_namespace.clone(),
            output: if for_programs { flags::Output::Json } else { flags::Output::Table },
            verbosity: 0,
        };
        glue::block_on(async {
            let session = glue::open(&flags, "what is backed up").await?;
            let mut facts = session.live(self.namespace.as_deref()).await?;
            let server = recovery::server(&facts, None);
            // Its flags are there whether or not its version is.
            let flags = recovery::server(&facts, Some(Exact::NEWEST)).ok();
            let global = flags.and_then(|server| server.global_policies_name);
            let asked = dr_lint::live::policies_named(&facts).into_iter().chain(global).chain(named.iter().cloned());
            let policies = policies(&session, asked.collect()).await;
            facts.objects.insert(Kind::ConfigMap, policies);
            Ok(Read { facts, version: server.map(|server| server.version) })
        })
    }
}

/// The ConfigMaps of these names; one that may not be read hides whether there are others.
async fn policies(session: &Session, names: BTreeSet<String>) -> Listed {
    let mut found = Vec::new();
    for name in names {
        match session.velero_object(Kind::ConfigMap, &name).await {
            Ok(object) => found.extend(object),
            Err(failure) => return Listed::Forbidden(failure.causes().join(": ")),
        }
    }
    Listed::Objects(found)
}

impl Read {
    /// The version to judge by, where nobody has said one.
    pub(super) fn minor(&self) -> Option<Version> {
        let exact = self.version.as_ref().ok()?;
        format!("{}.{}", exact.major, exact.minor).parse().ok()
    }

    pub(super) fn add_to(&self, input: &mut Input) {
        input.add_live(&self.facts, self.version.as_ref().ok().copied());
    }

    pub(super) fn told(&self, judged: Version, said: bool) -> Told {
        Told {
            context: self.facts.context.clone(),
            server: self.facts.server.clone(),
            version: self.version.clone(),
            judged_as: (judged, said),
        }
    }
}

impl Told {
    /// Velero's version, where it is known.
    pub(super) fn version(&self) -> Option<String> {
        self.version.as_ref().ok().map(ToString::to_string)
    }

    /// Lines below the summary.
    pub(super) fn lines(&self, cluster: &Cluster) -> String {
        let mut text = String::new();
        let context = if self.context.is_empty() { String::new() } else { format!(" (context {})", self.context) };
        let version = self.version().map(|version| format!(" {version}")).unwrap_or_default();
        let Cluster { velero_namespace, namespace, over, replaced, placed, unread, .. } = cluster;
        let _ = write!(text, "\nlive: {}{context}, Velero{version} in namespace {velero_namespace}", self.server);
        if let Some(namespace) = namespace {
            let _ = write!(text, "; workloads and claims of namespace {namespace} alone");
        }
        if *over > 0 {
            let _ = write!(text, "\nlive: {over} of the Backups and Restores not judged: over, or made by a Schedule");
        }
        for label in replaced {
            let _ = write!(text, "\n{label}: a file stands in its place");
        }
        if *placed > 0 {
            let _ = write!(
                text,
                "\n{placed} of the files' objects name no namespace, and are taken to be for {velero_namespace}"
            );
        }
        for (kind, because) in unread {
            let _ = write!(
                text,
                "\nlive: {} were not read, and nothing is said that hangs on them: {because}",
                kind.info().resource()
            );
        }
        if !unread.is_empty() {
            text.push_str("\nlive: what was not read may be wrong, so the run ends with 1; docs/rbac/lint.yaml has the roles that read it");
        }
        match (&self.version, self.judged_as) {
            (Err(because), (judged, said)) => {
                let how = if said { "judged as" } else { "taken to be" };
                let _ = write!(text, "\nlive: {because}; {how} {judged}");
            }
            (Ok(exact), (judged, _)) if !exact.to_string().starts_with(&format!("v{judged}.")) => {
                let _ = write!(text, "\nlive: Velero is {exact}, and judged as {judged}");
            }
            (Ok(_), _) => {}
        }
        text
    }
}
