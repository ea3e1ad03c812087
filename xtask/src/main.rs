//! `cargo xtask`: everything the project does around its own code. A real Kubernetes node with Velero in namespaces
//! of its own is in [`node`], the servers it runs are built by [`servers`].
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a build tool talks to the terminal")]

mod bench;
mod bookstore;
mod cache;
mod cmd;
mod current;
mod demo;
mod diff;
mod dist;
mod fuzz;
mod golden;
mod new;
mod node;
mod packages;
mod place;
mod pre_commit;
mod servers;
mod steps;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, tests and runs kubectl-dr", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the servers a node runs from their Go modules (a second run builds nothing)
    Servers(ServersArgs),
    /// Bring a node up: Kubernetes, Velero, an S3 server and CSI drivers, all in namespaces of its own
    Up(UpArgs),
    /// Remove a node and everything it changed on this machine
    Down(NameArgs),
    /// Show the nodes of this machine and what runs in them
    Status,
    /// Print the log of one component of a node, or the names of all
    Logs(LogsArgs),
    /// Run kubectl against a node
    Kubectl(RestArgs),
    /// Open a shell inside a node's namespaces, or run one command there
    Shell(RestArgs),
    /// Deploy a bookstore, lose its data in three ways and get it back
    Demo(DemoArgs),
    /// Measure what is promised in numbers: the outage of a restore, the time of a plan, the size of the executables
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Hold our answers against those of a real server
    #[command(subcommand)]
    Diff(DiffTask),
    /// Bring a node up and down and compare the machine before and after
    Selfcheck(SelfcheckArgs),
    /// Build the archive of the four executables and the manifest by which krew installs it
    Dist(DistArgs),
    /// Lint on bytes that nobody wrote
    Fuzz(fuzz::FuzzArgs),
    /// Ask others' programs again what tests expect of ours, and write the answers down
    Golden(GoldenArgs),
    /// Make the places of something new: a lint rule
    New(NewArgs),
    /// Run every test there is, those on a real node included
    Test(TestArgs),
    /// The first process of a node
    #[command(hide = true)]
    NodeInit { dir: PathBuf },
}

#[derive(Args)]
struct ServersArgs {
    /// The minor or full version of Velero, for example 1.18
    #[arg(long, value_name = "1.x")]
    velero: Option<String>,
}

#[derive(Args)]
struct UpArgs {
    /// The node's name; several can run side by side
    #[arg(long, default_value = node::DEFAULT_NAME)]
    name: String,
    /// Only etcd, the API server and the controller manager
    #[arg(long)]
    plane: bool,
    /// The minor or full version of Velero, for example 1.18
    #[arg(long, value_name = "1.x")]
    velero: Option<String>,
    /// Take ready-made servers from this folder and build none
    #[arg(long, value_name = "DIR")]
    servers: Option<PathBuf>,
    /// Bring nothing up: say what the cluster that kubectl points at has, and what is missing for demo and tests
    #[arg(long, value_name = "current", value_parser = ["current"], conflicts_with_all = ["name", "plane", "velero", "servers"])]
    on: Option<String>,
}

#[derive(Args)]
struct NameArgs {
    /// The node's name
    #[arg(long, default_value = node::DEFAULT_NAME)]
    name: String,
}

#[derive(Args)]
struct LogsArgs {
    /// The node's name
    #[arg(long, default_value = node::DEFAULT_NAME)]
    name: String,
    /// The component, for example kubelet
    component: Option<String>,
}

#[derive(Args)]
struct RestArgs {
    /// The node's name
    #[arg(long, default_value = node::DEFAULT_NAME)]
    name: String,
    /// What to run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

#[derive(Args)]
struct DemoArgs {
    /// The node's name; it is brought up when it does not run
    #[arg(long, default_value = node::DEFAULT_NAME)]
    name: String,
    /// Write transcript and picture into docs/evidence, and the shortened transcript into README.md
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    on: OnArgs,
}

#[derive(Args)]
struct OnArgs {
    /// The cluster kubectl points at instead of a node of ours
    #[arg(long, value_name = "current", value_parser = ["current"])]
    on: Option<String>,
    /// Do not ask before anything is made on that cluster
    #[arg(long, requires = "on")]
    yes: bool,
}

#[derive(Subcommand)]
enum DiffTask {
    /// What the selection engine says of random backups, against what Velero's backups hold
    Velero(DiffArgs),
    /// When generated cron expressions fire by our arithmetic, against the library that Velero has
    Cron(CronArgs),
}

#[derive(Args)]
struct CronArgs {
    /// How many
    #[arg(long, default_value_t = golden::cron::CASES)]
    cases: usize,
    /// Of the generator
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct DiffArgs {
    /// The plane's name; it is brought up if it is not there, and stays
    #[arg(long, default_value = "diff")]
    name: String,
    /// The minor or full version of Velero, for example 1.18
    #[arg(long, value_name = "1.x")]
    velero: Option<String>,
    /// How many backups, in tens
    #[arg(long, default_value_t = 50)]
    cases: usize,
    /// Of the first ten; each further ten has the next one
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Afterwards so many of seeds that no earlier run had
    #[arg(long, value_name = "CASES")]
    new: Option<usize>,
    /// Begin no further ten after so many minutes
    #[arg(long, value_name = "MINUTES")]
    at_most: Option<u64>,
    /// How many planes work side by side; each takes a gigabyte
    #[arg(long, default_value_t = 1)]
    planes: usize,
    /// Write the summary into docs/evidence
    #[arg(long)]
    record: bool,
    /// Add to the summary that is there, written by the same code about other seeds
    #[arg(long, requires = "record")]
    more: bool,
}

#[derive(Args)]
struct SelfcheckArgs {
    /// Only the control plane (faster)
    #[arg(long)]
    plane: bool,
}

#[derive(Args)]
struct DistArgs {
    /// Where the archive will be downloaded from, without its name
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Golden {
    Yaml,
    Go,
    Cron,
    Schemas,
    Commands,
}

#[derive(Args)]
struct GoldenArgs {
    /// yaml: what kubectl reads; go: durations and cron expressions; cron: generated ones, in many time zones; schemas:
    /// Velero's own; commands: what velero makes of command lines
    what: Golden,
    /// A kubectl that is there already
    #[arg(long, value_name = "FILE")]
    kubectl: Option<PathBuf>,
}

#[derive(Args)]
struct NewArgs {
    /// What: rule
    #[arg(value_parser = ["rule"])]
    what: String,
    /// Its id, such as cron-never-fires
    id: String,
}

#[derive(Args)]
struct TestArgs {
    /// Leave out the tests that need a node: for machines that are not Linux or where you are not root
    #[arg(long)]
    no_live: bool,
    /// Also what takes hours
    #[arg(long)]
    long: bool,
    #[command(flatten)]
    on: OnArgs,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Servers(args) => {
            servers::Servers::build(&cache::Cache::open()?, args.velero.as_deref())?;
        }
        Task::Up(args) if args.on.is_some() => {
            current::look(&mut place::Place::current(&cache::checkout()?)?)?;
            println!("nothing is to be brought up; `cargo xtask demo` and `cargo xtask test` take --on current");
        }
        Task::Up(args) => {
            node::up::up(&node::up::Options {
                name: args.name,
                plane: args.plane,
                velero: args.velero,
                servers: args.servers,
            })?;
        }
        Task::Down(args) => node::down::down(&args.name)?,
        Task::Status => node::status::status()?,
        Task::Logs(args) => node::status::logs(&args.name, args.component.as_deref())?,
        Task::Kubectl(args) => return node::status::kubectl(&args.name, &args.args),
        Task::Shell(args) => return node::status::shell(&args.name, &args.args),
        Task::Demo(args) => {
            let on_current = args.on.on.is_some();
            return demo::demo(&demo::Options { name: args.name, on_current, yes: args.on.yes, record: args.record });
        }
        Task::Bench(args) => return bench::bench(args),
        Task::Diff(DiffTask::Velero(args)) => {
            let compared = diff::diff(&diff::Options {
                name: args.name,
                velero: args.velero,
                given: diff::Seeds { first: args.seed, cases: args.cases },
                new: args.new.map(|cases| diff::Seeds { first: diff::new_seed(), cases }),
                at_most: args.at_most.map(|minutes| Duration::from_secs(minutes * 60)),
                planes: args.planes,
                record: args.record,
                more: args.more,
            })?;
            if compared.left > 0 {
                println!("{} cases were left when the time was over", compared.left);
            }
            return Ok(if compared.same { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Task::Diff(DiffTask::Cron(args)) => golden::cron::compare(args.cases, args.seed, false)?,
        Task::Selfcheck(args) => node::selfcheck::selfcheck(args.plane)?,
        Task::Dist(args) => {
            dist::dist(args.base_url.as_deref(), dist::Pace::Whole)?;
        }
        Task::Fuzz(args) => fuzz::fuzz(&args)?,
        Task::Golden(args) => match args.what {
            Golden::Yaml => golden::yaml(args.kubectl)?,
            Golden::Go => golden::go()?,
            Golden::Cron => golden::cron::compare(golden::cron::CASES, 1, true)?,
            Golden::Schemas => golden::schemas()?,
            Golden::Commands => golden::commands()?,
        },
        Task::New(args) => new::rule(&args.id)?,
        Task::Test(args) if args.on.on.is_some() => return test::current::test(args.on.yes),
        Task::Test(args) => return test::test(&test::Options { live: !args.no_live, long: args.long }),
        Task::NodeInit { dir } => node::init::init(&dir)?,
    }
    Ok(ExitCode::SUCCESS)
}
