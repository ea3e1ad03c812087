//! `cargo xtask test`: every test there is, from formatting to restores on a real node, and one line that sums them up.
//!
//! A test that cannot run everywhere is `#[ignore]`d with its reason. One whose reason begins with `long` runs with
//! `--long`, any other once the node is up; what did not run at all is counted as skipped, never as passed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, id};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::cache::{self, Cache};
use crate::node;
use crate::servers::Servers;
use crate::{diff, dist, fuzz, golden, packages, pre_commit};

mod cargo;
pub(crate) mod current;
mod queue;
mod room;
mod shop;
mod tally;
mod time;

use cargo::{Cargo, Ended};
use tally::Tally;
use time::Given;

pub(crate) struct Options {
    /// Also the tests that need a node.
    pub(crate) live: bool,
    /// Also what takes hours.
    pub(crate) long: bool,
}

/// The packages whose ignored tests need what only this command brings.
const WITH_IGNORED: [&str; 8] =
    ["dr-cli", "dr-cluster", "dr-core", "dr-csi", "dr-house", "dr-run", "dr-world", "kubectl-dr"];
const LIVE: &str = "dr-live";
/// Passes without doing anything where no node is named; so it runs only where one is.
const CONFORMANCE: &str = "a_real_server_tells_the_script_as_the_model_does";

pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    if options.live {
        // Said now, not after half an hour of other tests.
        packages::require_linux_root()?;
        packages::require_packages()?;
    }
    let root = cache::checkout()?;
    if options.live {
        let cache = Cache::open()?;
        room::tell([root.as_path(), cache.root()])?;
    }
    let mut tests =
        Tests { root: &root, tally: Tally::default(), began: Instant::now(), long: options.long, ignored: Vec::new() };
    tests.everywhere();
    if options.live {
        tests.live();
    } else {
        tests.tally.skip("the tests on a real node", "--no-live");
    }
    for (name, reason) in std::mem::take(&mut tests.ignored) {
        tests.tally.skip(&name, &reason);
    }
    Ok(tests.tally.conclude())
}

struct Tests<'a> {
    root: &'a Path,
    tally: Tally,
    began: Instant,
    long: bool,
    /// Tests seen as ignored that have not run since, each with its reason.
    ignored: Vec<(String, String)>,
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

impl Tests<'_> {
    /// One command that is right or wrong as a whole.
    fn check(&mut self, name: &str, limit: Duration, command: &mut Command) -> bool {
        self.ran(name, |root, _| Cargo::run(command.current_dir(root), limit).map(|ended| ended.success))
    }

    fn ran(&mut self, name: &str, work: impl FnOnce(&Path, &mut Tally) -> Result<bool>) -> bool {
        println!("\n== {name}");
        let began = Instant::now();
        let good = match work(self.root, &mut self.tally) {
            Ok(good) => good,
            Err(error) => {
                println!("error: {error:#}");
                false
            }
        };
        self.tally.check(name, good, began.elapsed());
        good
    }

    /// Runs tests and counts each of them.
    fn cargo_test(&mut self, name: &str, limit: Duration, cargo: &Cargo) -> Vec<(String, String)> {
        println!("\n== {name}");
        let began = Instant::now();
        match Cargo::run(&mut cargo.command(self.root), limit) {
            Ok(Ended { success, passed, failed, ignored, .. }) => {
                self.tally.tests(name, passed, failed, success, began.elapsed());
                ignored
            }
            Err(error) => {
                println!("error: {error:#}");
                self.tally.check(name, false, began.elapsed());
                Vec::new()
            }
        }
    }

    fn everywhere(&mut self) {
        self.check("rustfmt", minutes(2), Cargo::tool().args(["fmt", "--all", "--check"]));
        let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
        self.check("clippy", minutes(25), Cargo::tool().args(clippy));
        let workspace = Cargo::test().args(["--workspace", "--exclude", LIVE]).behind(["--skip", CONFORMANCE]);
        self.ignored =
            self.cargo_test("tests without a node, and the examples in documentation", minutes(35), &workspace);
        let hooks = self.hooks();
        if self.long {
            let built = |reason: &str| !reason.contains("pre-commit") || !hooks.is_empty();
            let long = self.take_ignored(|reason| reason.starts_with("long") && built(reason));
            self.run_ignored("tests that take long", minutes(180), &long, &hooks);
        }
        self.fuzz();
        self.oldest_rust();
        self.cargo_deny();
    }

    /// The hooks in the real pre-commit, by the executables that were just built; what those tests are told.
    fn hooks(&mut self) -> Vec<(&'static str, PathBuf)> {
        let name = "the hooks in the real pre-commit";
        if let Some(missing) = ["python3", "git"].iter().find(|program| packages::find(program).is_none()) {
            self.tally.skip(name, &format!("{missing} is not on the PATH"));
            return Vec::new();
        }
        let mut env = Vec::new();
        let installed = self.ran("pre-commit is installed", |root, _| {
            env.push(("DR_PRE_COMMIT", pre_commit::install(&Cache::open()?)?));
            env.push(("DR_BIN", dist::target(root)?.join("debug")));
            Ok(true)
        });
        if installed {
            let waiting = self.take_ignored(|reason| reason.contains("pre-commit") && !reason.starts_with("long"));
            self.run_ignored(name, minutes(10), &waiting, &env);
        }
        env
    }

    /// libFuzzer is C++.
    fn fuzz(&mut self) {
        let name = "lint on bytes that nobody wrote";
        if packages::find("c++").is_none() {
            self.tally.skip(name, "there is no C++ compiler (c++)");
            return;
        }
        self.ran(name, |_, _| fuzz::short().map(|()| true));
    }

    /// The toolchain is fetched where rustup is there; it stays, under its own name.
    fn oldest_rust(&mut self) {
        let oldest = env!("CARGO_PKG_RUST_VERSION");
        let name = format!("Rust {oldest} still builds it");
        if packages::find("rustup").is_none() {
            self.tally.skip(&name, "rustup is not on the PATH");
            return;
        }
        let mut install = Command::new("rustup");
        install.args(["toolchain", "install", oldest, "--profile", "minimal", "--no-self-update"]);
        if !Cargo::run(&mut install, minutes(5)).is_ok_and(|ended| ended.success) {
            let reason = format!("rustup cannot get it (rustup toolchain install {oldest})");
            self.tally.skip(&name, &reason);
            return;
        }
        let mut command = Command::new("rustup");
        command.args(["run", oldest, "cargo", "check", "--locked", "--workspace", "--all-targets"]).env_remove("CARGO");
        self.check(&name, minutes(25), &mut command);
    }

    /// Licences, sources and duplicates are held by tests of their own; this adds what only cargo-deny knows.
    fn cargo_deny(&mut self) {
        if packages::find("cargo-deny").is_none() {
            let reason = "it is not installed (cargo install cargo-deny --locked); licences, sources and duplicate \
                          versions were held against deny.toml by dr-house";
            self.tally.skip("cargo-deny", reason);
            return;
        }
        self.check("cargo-deny", minutes(5), Cargo::tool().args(["deny", "check", "bans", "licenses", "sources"]));
        if self.long {
            self.check("cargo-deny, advisories", minutes(10), Cargo::tool().args(["deny", "check", "advisories"]));
        } else {
            self.tally.skip("cargo-deny, advisories", "its database comes from the network; --long asks for it");
        }
    }

    fn take_ignored(&mut self, taken: impl Fn(&str) -> bool) -> Vec<String> {
        let (now, later) = std::mem::take(&mut self.ignored).into_iter().partition(|(_, reason)| taken(reason));
        self.ignored = later;
        let now: Vec<(String, String)> = now;
        now.into_iter().map(|(name, _)| name).collect()
    }

    fn run_ignored(&mut self, name: &str, limit: Duration, tests: &[String], env: &[(&str, PathBuf)]) {
        if tests.is_empty() {
            return;
        }
        let packages = WITH_IGNORED.iter().flat_map(|package| ["--package", package]);
        let cargo = Cargo::test().args(packages).envs(env).behind(["--ignored", "--exact"]).behind(tests);
        self.cargo_test(name, limit, &cargo);
    }

    fn live(&mut self) {
        let good = self.ran("the servers of a node", |_, _| Servers::build(&Cache::open()?, None).map(|_| true));
        if !good {
            self.tally.skip("the tests on a real node", "its servers could not be built");
            return;
        }
        self.ran("a node leaves the machine as it was", |_, _| node::selfcheck::selfcheck(false).map(|()| true));
        self.ran("when cron expressions fire, against the library that Velero has", |_, _| {
            golden::cron::compare(golden::cron::CASES, diff::new_seed(), false).map(|()| true)
        });
        let stop_points = self.stop_points();
        self.check("the four executables", minutes(15), Cargo::tool().args(["build", "--locked", "--bins"]));
        // Where there is no time for all of them, a restore is the one not to do without.
        let late = !self.long && Given::in_run(self.began).is_late();
        let first = if late { &["restore"][..] } else { queue::FIRST };
        let (long, mut listed) = (self.long, None);
        self.ran("the tests of restores are built", |root, _| {
            listed = Some(queue::list(root, LIVE, long, first)?);
            Ok(true)
        });
        let Some(queue::Listed { run, ignored }) = listed else { return };
        self.ignored.extend(ignored);
        let names = [format!("ci-{}-a", id()), format!("ci-{}-b", id())];
        println!("\nthe nodes are `{}`; if this is interrupted: cargo xtask down --name NAME", names.join("` and `"));
        let [first, second] = &names;
        if self.ran("a node comes up", |_, _| bring_up(first).map(|()| true)) {
            self.on_nodes([first, second], stop_points.as_ref(), &Mutex::new(run));
        } else {
            self.tally.skip("the tests on a real node", "the node did not come up");
        }
        for name in &names {
            self.ran("a node goes down", |_, _| node::down::down(name).map(|()| true));
        }
    }

    /// What the selection engine said beside Velero.
    fn selection(&mut self, (compared, took): (Result<diff::Compared>, Duration)) {
        const NAME: &str = "what we say of random backups is what Velero does";
        match compared {
            Ok(diff::Compared { same, cases, left }) => {
                self.tally.check(&format!("{NAME}: {cases}"), same, took);
                if left > 0 {
                    self.tally.skip(&format!("{left} of the random backups"), "the time for them was over");
                }
            }
            Err(error) => {
                println!("error: {error:#}");
                self.tally.check(NAME, false, took);
            }
        }
    }

    /// Restores on two nodes side by side, and in the time they wait the archive for krew and the selection engine
    /// against Velero, on a plane of its own.
    fn on_nodes(&mut self, names: [&str; 2], stop_points: Option<&PathBuf>, queue: &Mutex<VecDeque<queue::One>>) {
        let root = self.root;
        let environments = names.map(|name| environment(root, name));
        let [Ok(one), Ok(other)] = environments else {
            self.tally.check("the environment of the live tests", false, Duration::ZERO);
            return;
        };
        let [one, other] = [one, other].map(|mut env| {
            env.extend(stop_points.map(|bin| ("DR_STOP_BIN", bin.clone())));
            env
        });
        self.model_and_server(&one);
        println!("\n== restores on two nodes, random backups and the archive for krew meanwhile");
        let began = Instant::now();
        let given = Given::in_run(self.began);
        let random = if self.long { 60 } else { given.minutes.diff };
        let given = (!self.long).then_some(given);
        let (went, up, dist, compared) = thread::scope(|scope| {
            let dist = scope.spawn(|| (dist::dist(None, dist::Pace::Background), began.elapsed()));
            let compared = scope.spawn(|| (on_a_plane(random), began.elapsed()));
            let beside = scope.spawn(|| {
                let [_, second] = names;
                let up = bring_up(second);
                let went = if up.is_ok() { queue::work(queue, "b", &other, given) } else { Vec::new() };
                (up, went)
            });
            let mut went = queue::work(queue, "a", &one, given);
            let (up, more) = beside.join().unwrap_or_else(|_| (Err(anyhow::anyhow!("its thread ended")), Vec::new()));
            went.extend(more);
            let dist = dist.join().unwrap_or_else(|_| (Err(anyhow::anyhow!("its thread ended")), began.elapsed()));
            let compared =
                compared.join().unwrap_or_else(|_| (Err(anyhow::anyhow!("its thread ended")), began.elapsed()));
            (went, up, dist, compared)
        });
        self.ran("a second node comes up beside the first", |_, _| up.map(|()| true));
        // Where nothing was restored, nothing is green.
        let restored = went.iter().any(|went| went.one.suite == "restore" && went.is_done());
        self.tally.check("at least one restore was tried on a node", restored, Duration::ZERO);
        self.tally.went(went);
        self.selection(compared);
        self.krew(dist, one);
    }

    /// Executables that can kill themselves at named points, copied away: the others take their place.
    fn stop_points(&mut self) -> Option<PathBuf> {
        let build = ["build", "--locked", "--bins", "--features", "stop-points"];
        if !self.check("executables with stop points", minutes(15), Cargo::tool().args(build)) {
            return None;
        }
        let copied =
            dist::target(self.root).and_then(|target| dist::copied(&target.join("debug"), &target.join("stop-points")));
        copied.inspect_err(|error| println!("error: {error:#}")).ok()
    }

    /// The model against a real server, and tests that only look at a cluster.
    fn model_and_server(&mut self, env: &[(&'static str, PathBuf)]) {
        let conformance =
            Cargo::test().args(["--package", "dr-world", "--test", "conformance"]).envs(env).behind([CONFORMANCE]);
        self.cargo_test("the model tells of an API server what a real one does", minutes(10), &conformance);
        if !self.long {
            return;
        }
        let looked_at = self.ran("a shop with a backup, to be looked at", |root, _| {
            let of = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_path());
            let (kubectl, kubeconfig, bin) = (of("DR_KUBECTL"), of("KUBECONFIG_DR_NODE"), of("DR_BIN"));
            let (Some(kubectl), Some(kubeconfig), Some(bin)) = (kubectl, kubeconfig, bin) else { return Ok(false) };
            shop::deploy(root, kubectl, kubeconfig, bin).map(|()| true)
        });
        if looked_at {
            let waiting = self.take_ignored(|reason| {
                !reason.starts_with("long") && !reason.contains("krew") && !reason.contains("pre-commit")
            });
            self.run_ignored("tests that need the node's servers", minutes(20), &waiting, env);
        }
    }

    fn krew(&mut self, dist: (Result<dist::Dist>, Duration), mut env: Vec<(&'static str, PathBuf)>) {
        let (made, took) = dist;
        match made {
            Ok(made) => {
                self.tally.check("the archive for krew, each executable within its size", true, took);
                env.push(("DR_ARCHIVE", made.archive));
                env.push(("DR_MANIFEST", made.manifest));
                let packed = self.take_ignored(|reason| reason.contains("krew"));
                self.run_ignored("the plugin in the real krew", minutes(20), &packed, &env);
            }
            Err(error) => {
                println!("error: {error:#}");
                self.tally.check("the archive for krew, each executable within its size", false, took);
            }
        }
    }
}

/// Backups that nobody chose, on a control plane that is taken down again whatever they come to. Restores beside it are
/// held to deadlines, so it steps back: on Linux the priority is the thread's own, and that of what it starts.
fn on_a_plane(at_most: u64) -> Result<diff::Compared> {
    const STEPS_BACK: i32 = 5;
    rustix::process::setpriority_process(None, STEPS_BACK).context("step back")?;
    let name = format!("ci-{}-diff", id());
    let compared = diff::sample(&name, minutes(at_most));
    let down = node::down::down(&name);
    compared.and_then(|compared| down.map(|()| compared))
}

fn bring_up(name: &str) -> Result<()> {
    node::up::up(&node::up::Options { name: name.to_owned(), plane: false, velero: None, servers: None })
}

/// Where the node is and what belongs to it.
fn environment(root: &Path, name: &str) -> Result<Vec<(&'static str, PathBuf)>> {
    let cache = Cache::open()?;
    let servers = Servers::build(&cache, None)?;
    let node = cache.nodes().join(name);
    Ok(vec![
        ("KUBECONFIG", node.join("kubeconfig")),
        ("KUBECONFIG_DR_NODE", node.join("kubeconfig")),
        ("DR_NODE", PathBuf::from(name)),
        ("DR_NODE_DIR", node),
        ("DR_KUBECTL", servers.file("kubectl")?.to_path_buf()),
        ("DR_KREW", servers.file("krew")?.to_path_buf()),
        ("DR_BIN", dist::target(root)?.join("debug")),
    ])
}
