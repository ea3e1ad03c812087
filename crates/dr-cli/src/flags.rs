//! kubectl's own flags, under kubectl's own names, and how a command line is read.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command, FromArgMatches, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use crate::exit::Exit;
use crate::report::Failure;

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

impl Output {
    /// A program reads it: no colour, no bars, no questions.
    pub(crate) fn is_for_programs(self) -> bool {
        matches!(self, Self::Json | Self::Yaml | Self::Name)
    }
}

/// What every command that speaks to a cluster understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    /// Namespace that is backed up or restored
    #[arg(
        short = 'n',
        long = "namespace",
        visible_alias = "ns",
        value_name = "NAMESPACE",
        global = true,
        help_heading = "Global options"
    )]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Namespace that Velero runs in; found by itself when there is only one
    #[arg(long, value_name = "NAMESPACE", global = true, help_heading = "Global options")]
    pub(crate) velero_namespace: Option<String>,
    /// How to print the result
    #[arg(
        short = 'o',
        long,
        value_name = "FORMAT",
        default_value = "table",
        global = true,
        help_heading = "Global options"
    )]
    pub(crate) output: Output,
    /// Tell what is read and written (-v; -v 6 names every request)
    #[arg(
        short = 'v', value_name = "LEVEL", num_args = 0..=1, require_equals = true, default_missing_value = "4",
        default_value = "0", hide_default_value = true, global = true, help_heading = "Global options"
    )]
    pub(crate) verbosity: u8,
}

/// Which cluster, as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) user: Option<String>,
    /// The kubeconfig file
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// User to act as
    #[arg(long = "as", value_name = "USER", global = true)]
    pub(crate) as_user: Option<String>,
    /// Group to act as; may be repeated
    #[arg(long = "as-group", value_name = "GROUP", global = true)]
    pub(crate) as_groups: Vec<String>,
    /// UID to act as
    #[arg(long, value_name = "UID", global = true)]
    pub(crate) as_uid: Option<String>,
    /// How long one request may take, such as 30s; 0 means no limit
    #[arg(long, value_name = "DURATION", value_parser = duration, global = true)]
    pub(crate) request_timeout: Option<Duration>,
    /// Address of the API server
    #[arg(short = 's', long, value_name = "URL", global = true)]
    pub(crate) server: Option<String>,
    /// Bearer token
    #[arg(long, value_name = "TOKEN", global = true)]
    pub(crate) token: Option<String>,
    /// Certificate file of the authority that signed the server's
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Do not check the server's certificate
    #[arg(long, global = true)]
    pub(crate) insecure_skip_tls_verify: bool,
}

impl Connection {
    /// A flag that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let Self {
            context,
            cluster,
            user,
            kubeconfig,
            as_user,
            as_groups,
            as_uid,
            request_timeout,
            server,
            token,
            certificate_authority,
            insecure_skip_tls_verify,
        } = self;
        let given = [
            ("--context", context.is_some()),
            ("--cluster", cluster.is_some()),
            ("--user", user.is_some()),
            ("--kubeconfig", kubeconfig.is_some()),
            ("--as", as_user.is_some()),
            ("--as-group", !as_groups.is_empty()),
            ("--as-uid", as_uid.is_some()),
            ("--request-timeout", request_timeout.is_some()),
            ("--server", server.is_some()),
            ("--token", token.is_some()),
            ("--certificate-authority", certificate_authority.is_some()),
            ("--insecure-skip-tls-verify", *insecure_skip_tls_verify),
        ];
        given.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }
}

impl Flags {
    /// The namespace a command is about. A disaster is no place for a default that the kubeconfig happens to hold.
    pub(crate) fn namespace(&self, usage: &str) -> Result<&str, Failure> {
        self.namespace.as_deref().ok_or_else(|| {
            Failure::usage("which namespace? --namespace (--ns, -n) is missing").hint(format!("usage: {usage}"))
        })
    }
}

/// Flags that have one value, globals included, under all their names: clap itself lets a global one be given once on
/// each side of a subcommand and silently takes the last.
const ONCE: [&[&str]; 13] = [
    &["--namespace", "--ns", "-n"],
    &["--context"],
    &["--cluster"],
    &["--user"],
    &["--kubeconfig"],
    &["--as"],
    &["--as-uid"],
    &["--request-timeout"],
    &["--server", "-s"],
    &["--token"],
    &["--certificate-authority"],
    &["--velero-namespace"],
    &["--output", "-o"],
];

/// Parses a command line; what clap has to say (help, version, a usage error) is printed here.
pub(crate) fn parse<T: FromArgMatches>(command: Command, args: &[OsString]) -> Result<T, Exit> {
    let args = &kubectls_verbosity(args);
    let name = OsString::from(command.get_name().to_owned());
    let mut command = command.max_term_width(100);
    if let Some(flag) = twice(args) {
        let error = command.error(
            clap::error::ErrorKind::ArgumentConflict,
            format!("the argument '{flag}' cannot be used multiple times"),
        );
        return Err(tell(&error));
    }
    let matches = command.try_get_matches_from_mut(std::iter::once(name).chain(args.iter().cloned()));
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| tell(&error))
}

fn tell(error: &clap::Error) -> Exit {
    // Nobody listening is no reason to end otherwise.
    drop(error.print());
    if error.exit_code() == 0 { Exit::Done } else { Exit::Usage }
}

fn twice(args: &[OsString]) -> Option<&'static str> {
    let words: Vec<&str> = args.iter().map_while(|arg| arg.to_str()).take_while(|arg| *arg != "--").collect();
    let given = |word: &str, name: &str| {
        let long = name.starts_with("--");
        word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=') || !long)
    };
    let flag = ONCE
        .into_iter()
        .find(|names| words.iter().filter(|word| names.iter().any(|name| given(word, name))).count() > 1);
    flag.and_then(|names| names.first().copied())
}

/// kubectl takes `-v 6`, `-v6` and `--v=6`; clap is told `-v=6`. A bare `-v` is ours.
fn kubectls_verbosity(args: &[OsString]) -> Vec<OsString> {
    let is_level = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut told: Vec<OsString> = Vec::with_capacity(args.len());
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let joined = match arg.to_str() {
            Some("--") => {
                told.push(arg.clone());
                told.extend(args.by_ref().cloned());
                break;
            }
            Some("-v" | "--v") => {
                let level = args.next_if(|next| next.to_str().is_some_and(is_level)).and_then(|level| level.to_str());
                Some(level.map_or_else(|| "-v".to_owned(), |level| format!("-v={level}")))
            }
            Some(text) => {
                let level = text.strip_prefix("--v=").or_else(|| text.strip_prefix("-v"));
                level.filter(|level| is_level(level)).map(|level| format!("-v={level}"))
            }
            None => None,
        };
        told.push(joined.map_or_else(|| arg.clone(), OsString::from));
    }
    told
}

/// `90`, `90s`, `1h30m`: kubectl's durations.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed: SignedDuration = text.parse().map_err(|_| "expected a duration such as 30s, 5m or 1h30m".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a duration cannot be negative".to_owned())
}

/// `2026-01-31T03:00:00Z`, or without zone: this machine's.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil: jiff::civil::DateTime =
        text.parse().map_err(|_| "expected a time such as 2026-01-31T03:00:00Z or 2026-01-31T03:00".to_owned())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::system());
    zoned.map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn two_contexts_are_found_on_either_side_of_a_subcommand() {
        assert_eq!(twice(&args("--context a list --context=b")), Some("--context"));
        assert_eq!(twice(&args("--context a list --cluster b")), None);
        assert_eq!(twice(&args("--as a --as-group b --as-group c")), None);
        assert_eq!(twice(&args("list --context a -- --context b")), None);
        assert_eq!(twice(&args("-n a list --ns=b")), Some("--namespace"));
        assert_eq!(twice(&args("-nshop list -n books")), Some("--namespace"));
        assert_eq!(twice(&args("list -o json --output=yaml")), Some("--output"));
        assert_eq!(twice(&args("-n a --name b -o json")), None);
    }

    #[test]
    fn verbosity_is_given_as_to_kubectl() {
        let told = |text: &str| kubectls_verbosity(&args(text)).join(&OsString::from(" "));
        for text in ["list -v 6", "list -v6", "list --v=6", "list -v=6"] {
            assert_eq!(told(text), "list -v=6", "{text}");
        }
        assert_eq!(told("-v list"), "-v list");
        assert_eq!(told("list --version -- -v 6"), "list --version -- -v 6");
    }

    #[test]
    fn durations_are_read_as_kubectl_reads_them() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("soon").is_err());
        assert!(duration("-5s").is_err());
    }

    #[test]
    fn a_time_with_a_zone_means_that_zone() {
        assert_eq!(instant("2026-01-31T03:00:00Z"), Ok(Timestamp::constant(1_769_828_400, 0)));
        assert!(instant("yesterday").is_err());
    }
}
