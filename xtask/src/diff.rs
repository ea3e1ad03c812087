//! `cargo xtask diff velero`: random clusters and backups, made on a real API server by a real Velero, held item by
//! item against what `dr_core::select` says of them.

pub(crate) mod api;
pub(crate) mod bench;
mod compare;
mod facts;
mod generate;
mod summary;
mod world;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use dr_core::object::Object;
use dr_core::select::{Backup, Cluster, Feature, Policies, Server, Version, select};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::node::{Node, up};
use crate::servers::Servers;
use bench::{Bench, VELERO};
use generate::{Asked, Named};
use summary::Summary;

pub(crate) struct Options {
    pub(crate) name: String,
    pub(crate) velero: Option<String>,
    pub(crate) cases: usize,
    /// Of the first world; each further one has the next.
    pub(crate) seed: u64,
    /// Goes on with worlds from this seed until the time is over, which is divided among the settings of the server.
    pub(crate) more: Option<(u64, Duration)>,
    /// No world is begun later than this.
    pub(crate) at_most: Option<Duration>,
    pub(crate) record: bool,
}

/// Backups that share one world.
const OF_WORLD: usize = 10;
/// Worlds between two starts of the server with other settings, times those.
const OF_ROUND: usize = 3 * OF_SERVERS as usize;
/// For one backup.
const PATIENCE: Duration = Duration::from_secs(180);
/// A backup in progress for longer is looked for in the server's log.
const QUIET: Duration = Duration::from_secs(3);
const OF_SERVERS: u32 = 5;
/// The settings of the server that a world is judged under, in turn.
const SERVERS: [&[&str]; OF_SERVERS as usize] = [
    &["--features=EnableCSI"],
    &[],
    &["--features=EnableCSI", "--default-volumes-to-fs-backup"],
    &["--features=EnableCSI", "--default-snapshot-move-data"],
    &["--features=EnableCSI", "--global-backup-volume-policies-configmap=global"],
];

pub(crate) fn diff(options: &Options) -> Result<bool> {
    let began = Instant::now();
    up::up(&up::Options { name: options.name.clone(), plane: true, velero: options.velero.clone(), servers: None })?;
    let cache = Cache::open()?;
    let servers = Servers::build(&cache, options.velero.as_deref())?;
    let node = Node::open(&cache, &options.name)?;
    let version: Version = servers_version(&node)?;
    let mut bench = Bench::start(node, &servers)?;
    world::ground(&bench.api, |manifest| bench.node.apply(manifest))?;
    let mut summary = Summary::new(version);
    for (seeds, time) in rounds(options) {
        let passed = began.elapsed();
        for (turn, flags) in (0..OF_SERVERS).zip(SERVERS) {
            // A seed tells the settings too, so that it alone repeats a world.
            let fits = |seed: &u64| seed % u64::from(OF_SERVERS) == u64::from(turn);
            let share = time.map(|time| passed + time.saturating_sub(passed) * (turn + 1) / OF_SERVERS);
            let over = || [share, options.at_most].into_iter().flatten().any(|end| began.elapsed() >= end);
            let mut seeds = seeds.clone().filter(fits).take_while(|_| !over());
            let Some(first) = seeds.next() else {
                continue;
            };
            let known = |flag: &&str| !flag.starts_with("--global-") || version.has(Feature::GlobalPolicies);
            let flags: Vec<&str> = flags.iter().copied().filter(known).collect();
            bench.velero(&flags)?;
            let server = server(&flags, version)?;
            for seed in std::iter::once(first).chain(seeds) {
                one_world(&mut bench, &flags, &server, seed, &mut summary)
                    .with_context(|| format!("world of seed {seed}"))?;
                println!("{:>6.0}s  seed {seed}: {}", began.elapsed().as_secs_f64(), summary.line());
                if options.record {
                    // After each: a run of hours that is interrupted has shown something, too.
                    summary.write(&crate::cache::checkout()?, began.elapsed())?;
                }
            }
        }
    }
    world::clear(&bench.api)?;
    summary.print();
    if summary.cases == 0 {
        bail!("no case was compared in {:.0} s", began.elapsed().as_secs_f64());
    }
    Ok(summary.differences.is_empty())
}

/// Seeds of worlds, a few for each setting of the server at a time, and until when there may be new ones.
fn rounds(options: &Options) -> Vec<(Range<u64>, Option<Duration>)> {
    let end = options.seed.saturating_add(options.cases.div_ceil(OF_WORLD) as u64);
    let starts = (options.seed..end).step_by(OF_ROUND);
    let given = starts.map(|start| (start..end.min(start.saturating_add(OF_ROUND as u64)), None));
    let more = options.more.map(|(seed, time)| (seed..u64::MAX, Some(time)));
    given.chain(more).collect()
}

/// One world for each setting of the server that is always the same, then new ones, as many as four minutes hold.
pub(crate) fn sample(name: &str) -> Result<bool> {
    let seed = new_seed();
    println!("DR_SEED={seed}");
    let time = Duration::from_secs(200);
    let cases = SERVERS.len() * OF_WORLD;
    let (more, at_most) = (Some((seed, time)), Some(time));
    diff(&Options { name: name.to_owned(), velero: None, cases, seed: 1, more, at_most, record: false })
}

/// A seed that no earlier run had.
pub(crate) fn new_seed() -> u64 {
    let given = std::env::var("DR_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        now.as_secs()
    })
}

/// As of a Deployment with these flags.
fn server(flags: &[&str], version: Version) -> Result<Server> {
    let args: Vec<&str> = ["server"].iter().chain(flags).copied().collect();
    let container = json!({"name": "velero", "image": "velero", "command": ["/velero"], "args": args});
    let deployment = json!({"metadata": {"name": "velero", "namespace": VELERO},
        "spec": {"template": {"spec": {"containers": [container]}}}});
    let mut server = Server::of(&Object(deployment), Some(version))?;
    if server.global_policies_name.is_some() {
        server.global_policies = Policies::Read(bench::global_policies());
    }
    Ok(server)
}

fn servers_version(node: &Node) -> Result<Version> {
    let mut command = std::process::Command::new(node.path("bin/velero"));
    node.isolated(&mut command);
    let said = crate::cmd::output(command.args(["version", "--client-only"]))?;
    let version = said.lines().find_map(|line| line.trim().strip_prefix("Version:"));
    let version = version.with_context(|| format!("velero version says {said:?}"))?;
    version.trim().parse().with_context(|| format!("velero version says {said:?}"))
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    for (at, byte) in seed.to_le_bytes().into_iter().enumerate() {
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
    }
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn one_world(bench: &mut Bench, flags: &[&str], server: &Server, seed: u64, summary: &mut Summary) -> Result<()> {
    world::clear(&bench.api)?;
    let mut runner = runner(seed);
    let generated = |reason: proptest::test_runner::Reason| anyhow::anyhow!("generate: {reason}");
    let world = generate::world().new_tree(&mut runner).map_err(generated)?.current();
    world::make(&bench.api, &world, !server.csi)?;
    let mut cases = Vec::new();
    for index in 0..OF_WORLD {
        let asked = generate::asked().new_tree(&mut runner).map_err(generated)?.current();
        cases.push((format!("s{seed}-{index}"), asked));
    }
    for (name, asked) in &cases {
        policy(bench, name, asked)?;
    }
    // Controllers finish what the world began: ReplicaSets, revisions, default accounts.
    std::thread::sleep(Duration::from_millis(1500));
    let cluster = facts::read(&bench.api)?;
    let mut found = Vec::new();
    for (name, asked) in &cases {
        // One after the other: a backup that fails validation stalls Velero's queue for a minute.
        bench.api.create(&backups(""), &manifest(name, asked))?;
        let mut backup = wait(bench, name)?;
        if phase(&backup) == JAMMED {
            bench.api.delete(&backups(&format!("/{name}")))?;
            bench.velero(flags)?;
            bench.api.create(&backups(""), &manifest(name, asked))?;
            backup = wait(bench, name)?;
        }
        if phase(&backup) == PANIC {
            // It counts as running until the server starts anew, and no other backup would begin.
            bench.velero(flags)?;
        }
        found.push(backup);
    }
    let mut stable: Option<BTreeSet<String>> = None;
    for ((name, asked), backup) in cases.iter().zip(found) {
        let found = compare::found(bench, name, &backup).with_context(|| format!("backup {name}"))?;
        let stable = match &stable {
            Some(stable) => stable,
            None => stable.insert(names(&facts::read(&bench.api)?)),
        };
        let said = judge(&cluster, server, name, asked)?;
        let (differences, compared) = compare::compare(&said, &found, stable);
        summary.count(flags, &said, asked, compared);
        for difference in differences {
            summary.differs(name, flags, asked, difference);
        }
    }
    for (name, _) in &cases {
        bench.api.delete(&format!("{}/{name}", backups("")))?;
        let _ = bench.api.delete(&format!("/api/v1/namespaces/{VELERO}/configmaps/policy-{name}"));
    }
    Ok(())
}

fn names(cluster: &Cluster) -> BTreeSet<String> {
    cluster.names().map(ToString::to_string).collect()
}

fn backups(name: &str) -> String {
    format!("/apis/velero.io/v1/namespaces/{VELERO}/backups{name}")
}

fn policy(bench: &Bench, name: &str, asked: &Asked) -> Result<()> {
    let Some((named, policy)) = &asked.policy else {
        return Ok(());
    };
    let mut data = json!({"policy.yaml": policy.to_string()});
    match named {
        Named::Missing => return Ok(()),
        Named::TwoKeys => data = json!({"policy.yaml": policy.to_string(), "note": "a second key"}),
        Named::AsIs | Named::OtherKind => {}
    }
    let path = format!("/api/v1/namespaces/{VELERO}/configmaps");
    let map = json!({"metadata": {"name": format!("policy-{name}")}, "data": data});
    bench.api.create(&path, &map).map(|_| ())
}

fn manifest(name: &str, asked: &Asked) -> Value {
    let mut spec = asked.spec.clone();
    if let (Value::Object(spec), Some((named, _))) = (&mut spec, &asked.policy) {
        let kind = if *named == Named::OtherKind { "Secret" } else { "ConfigMap" };
        spec.insert("resourcePolicy".to_owned(), json!({"kind": kind, "name": format!("policy-{name}")}));
    }
    if let Value::Object(spec) = &mut spec {
        spec.insert("csiSnapshotTimeout".to_owned(), json!("30s"));
    }
    json!({"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": name, "namespace": VELERO, "annotations": asked.annotations}, "spec": spec})
}

fn judge(cluster: &Cluster, server: &Server, name: &str, asked: &Asked) -> Result<dr_core::select::Selection> {
    let mut backup = Backup::of(&Object(manifest(name, asked)))?;
    if let (Some((named, policy)), Some(_)) = (&asked.policy, backup.spec.policy_name()) {
        backup.policies = match named {
            Named::AsIs | Named::OtherKind => Policies::Read(policy.clone()),
            Named::Missing => Policies::Missing,
            Named::TwoKeys => Policies::Unreadable("it has two keys".to_owned()),
        };
    }
    Ok(select(cluster, &backup, server))
}

/// The phase of a backup that waits for one that is over: Velero 1.18 can count a backup that fails validation as
/// running after it has forgotten it (`backup_queue_controller.go:Reconcile` notes `ReadyToStart` after the patch that
/// starts the other controller), and starts none any more until the server starts anew.
const JAMMED: &str = "Queued";
/// One backup at a time is made here: none has to wait.
const QUEUED: Duration = Duration::from_secs(10);

/// The phase of a backup that ends in a panic of the server.
const PANIC: &str = "InProgress";

fn phase(backup: &Value) -> &str {
    backup.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
}

/// The Backup in its last phase.
fn wait(bench: &Bench, name: &str) -> Result<Value> {
    let began = Instant::now();
    loop {
        let backup = bench.api.get(&backups(&format!("/{name}")))?;
        let phase = phase(&backup);
        match phase {
            "Completed" | "PartiallyFailed" | "FailedValidation" => return Ok(backup),
            PANIC if began.elapsed() > QUIET && bench.panicked(name)? => return Ok(backup),
            "Failed" => bail!("backup {name} failed: {:?}", backup.pointer("/status/failureReason")),
            JAMMED if began.elapsed() > QUEUED => return Ok(backup),
            _ if began.elapsed() > PATIENCE => bail!("backup {name} is {phase:?} after {} s", PATIENCE.as_secs()),
            _ => std::thread::sleep(Duration::from_millis(80)),
        }
    }
}
