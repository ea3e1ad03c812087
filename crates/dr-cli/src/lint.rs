//! `kubectl dr lint`: reads files, has `dr-lint` judge them, and tells of it. No cluster and no runtime, unless `--live`
//! asks for one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use dr_lint::{Appetite, Finding, Input, Judgement, Settings, Severity, Silenced, Version};

use crate::exit::Exit;
use crate::flags;
use crate::out;
use crate::report::Failure;

mod baseline;
mod config;
mod files;
mod github;
mod gitlab;
mod json;
mod junit;
mod live;
mod mend;
mod pages;
mod sarif;
mod summary;
mod text;
mod threads;
mod walk;

/// How findings are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people: the place, the reason, the fix
    #[default]
    Text,
    /// One document, described in docs/schema/lint-report.json
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// One test case per file
    Junit,
    /// Annotations of GitHub Actions
    Github,
    /// A report of GitLab's code quality
    Gitlab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Info,
    Warning,
    Error,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hunger {
    /// What nearly everybody wants to hear
    Default,
    /// What is right and could be said better
    Pedantic,
    /// Whatever might be wrong
    Audit,
}

impl From<Hunger> for Appetite {
    fn from(hunger: Hunger) -> Self {
        match hunger {
            Hunger::Default => Self::Default,
            Hunger::Pedantic => Self::Pedantic,
            Hunger::Audit => Self::Audit,
        }
    }
}

/// Which fixes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fixes {
    /// Those after which the file says what was meant before
    Safe,
    /// Also those that choose
    Unsafe,
}

#[derive(Debug, Parser)]
#[command(
    name = "kubectl-dr-lint",
    bin_name = "kubectl dr lint",
    version,
    override_usage = "kubectl dr lint FILE…\n       kubectl dr lint --shell FILE…\n       kubectl dr lint [FILE…] --live\n       kubectl dr lint explain RULE\n       kubectl dr lint rules\n       kubectl dr lint schema",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    about = "Find what makes a backup worthless before it is needed",
    long_about = "Find what makes a backup worthless before it is needed.\n\nReads manifests as kubectl does; needs no \
                  cluster and no CRDs. With --live it judges what is in a cluster, too, and changes nothing there."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Manifests, folders with manifests (.yaml, .yml, .json), patterns such as 'apps/**/velero.yaml', or - for standard
    /// input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Manifests and folders that are looked at and not judged: what a chart elsewhere brings; may be repeated
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Scripts, Makefiles, CI files, Markdown and folders of them: their lines velero backup|schedule|restore create are
    /// judged as what they would make
    #[arg(long, value_name = "FILE", num_args = 1..)]
    shell: Vec<PathBuf>,
    /// What is left out of folders and patterns, written as in .gitignore; may be repeated. A file that is named is read
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Read what .gitignore and .ignore leave out, too
    #[arg(long)]
    no_ignore: bool,
    /// How to print the findings
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// Leave out of -o json and sarif what is silenced and what the baseline hides: GitHub shows it as open alerts
    #[arg(long)]
    no_silenced: bool,
    /// From which severity on the exit code is 1
    #[arg(long, value_name = "SEVERITY", default_value = "warning")]
    threshold: Level,
    /// How much to hear
    #[arg(long, value_name = "APPETITE")]
    appetite: Option<Hunger>,
    /// Velero's minor version, such as 1.17; with --live the cluster's, the newest one known otherwise
    #[arg(long, value_name = "1.x")]
    velero_version: Option<Version>,
    /// Make the fixes that are safe, or with =unsafe all
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "safe")]
    fix: Option<Fixes>,
    /// Show the fixes as a diff, and write nothing
    #[arg(long)]
    diff: bool,
    /// The configuration; dr-lint.yaml of this folder otherwise
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    hidden: baseline::Flags,
    #[command(flatten)]
    live: live::LiveArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell of a rule: what it costs, how it is known, what to do
    Explain {
        /// Its id
        rule: String,
    },
    /// List the rules
    Rules {
        /// How to print them
        #[arg(short = 'o', long, value_name = "FORMAT", default_value = "table")]
        output: pages::Listing,
    },
    /// Print the JSON Schema of dr-lint.yaml, for editors
    Schema,
}

/// Everything a report tells of.
struct Report<'r> {
    input: &'r Input,
    judgement: &'r Judgement,
    threshold: Severity,
    /// What is not told, as far as the report is to show it.
    silenced: &'r [Silenced],
    /// Files that were asked for and hold no manifest.
    passed_over: &'r [files::Empty],
    /// What is told of the cluster, where one was read.
    live: Option<&'r live::Told>,
}

impl Report<'_> {
    fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.judgement.findings.iter().filter(|finding| finding.severity >= self.threshold)
    }

    fn file(&self, finding: &Finding) -> &dr_lint::File {
        self.input.file_of(finding)
    }
}

pub(crate) fn run(args: &[OsString]) -> Result<Exit, Failure> {
    let cli = match flags::parse::<Cli>(Cli::command(), args) {
        Ok(cli) => cli,
        Err(exit) => return Ok(exit),
    };
    match &cli.command {
        Some(Command::Explain { rule }) => return pages::explain(rule),
        Some(Command::Rules { output }) => return pages::rules(*output),
        Some(Command::Schema) => return pages::schema(),
        None => {}
    }
    cli.live.check()?;
    if cli.files.is_empty() && cli.shell.is_empty() && !cli.live.live {
        let usage = "usage: kubectl dr lint FILE…, - for standard input, or --live for what is in the cluster";
        return Err(Failure::usage("which manifests? no file and no folder is named").hint(usage));
    }
    let config = config::find(cli.config.as_deref())?;
    let excluded = [config.excluded.clone(), Some(walk::Excluded::new(Path::new("."), &cli.exclude)?)];
    let excluded: Vec<walk::Excluded> = excluded.into_iter().flatten().collect();
    let appetite = cli.appetite.map(Appetite::from);
    let said = config.version(cli.velero_version);
    let mut settings = config.settings(appetite, said);
    let context = [cli.with.as_slice(), &config.context].concat();
    let hidden = cli.hidden.path(config.baseline.as_deref())?;
    let own: Vec<PathBuf> = config.file.iter().cloned().chain(hidden.map(Path::to_path_buf)).collect();
    let stdin = files::Stdin::default();
    let named = |velero| files::Named {
        files: &cli.files,
        context: &context,
        shell: &cli.shell,
        own: &own,
        excluded: &excluded,
        ignore: !cli.no_ignore,
        velero,
        stdin: &stdin,
    };
    let baseline = hidden.map(|path| baseline::Baseline::read(path, cli.hidden.write_baseline)).transpose()?;
    // The files first, standard input among them: what a kubeconfig calls to log in must not find it.
    let mut first = files::read(&named(settings.velero))?;
    let cluster = if cli.live.live {
        let read = cli.live.read(&first.0.policies_named(), cli.output != Output::Text)?;
        let newer = read.minor().filter(|minor| said.is_none() && *minor != settings.velero);
        if let Some(minor) = newer {
            // Of commands another version reads otherwise.
            settings.velero = minor;
            first = files::read(&named(minor))?;
        }
        Some(read)
    } else {
        None
    };
    let velero = settings.velero;
    let told = cluster.as_ref().map(|cluster| cluster.told(velero, said.is_some()));
    let mut first = Some(first);
    let mut look = || {
        let (mut input, passed_over) = match first.take() {
            Some(read) => read,
            None => files::read(&named(velero))?,
        };
        if let Some(cluster) = &cluster {
            cluster.add_to(&mut input);
        }
        if let Some(baseline) = &baseline {
            baseline.hide(&mut input)?;
        }
        config.choose(&input, appetite, &mut settings);
        let judgement = judged(&input, &settings);
        Ok::<_, Failure>((input, judgement, passed_over))
    };
    let (mut input, mut judgement, mut passed_over) = look()?;
    if cli.diff || cli.fix.is_some() {
        let which = cli.fix.unwrap_or(Fixes::Safe);
        if cli.diff {
            return mend::show(&input, &judgement, which);
        }
        if mend::make(&input, &judgement, which)? {
            // What is told is what the files hold now.
            (input, judgement, passed_over) = look()?;
        }
    }
    if let Some(baseline) = baseline.filter(|_| cli.hidden.write_baseline) {
        baseline.renew(&input, &judgement)?.hide(&mut input)?;
        judgement = judged(&input, &settings);
    }
    let report = Report {
        input: &input,
        judgement: &judgement,
        threshold: cli.threshold.into(),
        silenced: if cli.no_silenced { &[] } else { &judgement.silenced },
        passed_over: &passed_over,
        live: told.as_ref(),
    };
    let exit = tell(cli.output, &report);
    // The process ends with it: giving back a large input piece by piece would take as long as many a rule.
    std::mem::forget((input, judgement));
    exit
}

/// So few objects are judged before a thread has started.
const FEW: usize = 500;

fn judged(input: &Input, settings: &Settings) -> Judgement {
    let threads = if input.objects.len() < FEW { 1 } else { threads::threads() };
    // The longest, volume-left-out, has its backups made side by side itself.
    dr_lint::judge_with(input, settings, &|count, work| threads::each(count, threads, work))
}

fn tell(output: Output, report: &Report<'_>) -> Result<Exit, Failure> {
    match output {
        Output::Text => out::result(&text::render(report))?,
        Output::Json => out::json(&json::of(report))?,
        Output::Sarif => out::json(&sarif::of(report))?,
        Output::Junit => out::result(&junit::render(report))?,
        Output::Github => out::result(&github::render(report))?,
        Output::Gitlab => out::json(&gitlab::of(report))?,
    }
    if output != Output::Text {
        out::prose(&summary::of(report));
    }
    // Of what was not read nothing is found: silence about it is no success.
    let partly = report.input.live.as_ref().is_some_and(|cluster| !cluster.unread.is_empty());
    Ok(if partly || report.failing().next().is_some() { Exit::Failed } else { Exit::Done })
}
