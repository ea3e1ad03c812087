//! `cargo xtask diff velero`: random clusters and backups, made on a real API server by a real Velero, held item by
//! item against what `dr_core::select` says of them.

pub(crate) mod api;
pub(crate) mod bench;
mod compare;
mod facts;
mod generate;
mod page;
mod summary;
mod world;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
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
    /// Always the same: how many, and the seed of the first world; each further one has the next.
    pub(crate) given: Seeds,
    /// From a seed that no earlier run had.
    pub(crate) new: Option<Seeds>,
    /// No world is begun later than this.
    pub(crate) at_most: Option<Duration>,
    /// Side by side; each further one has a number behind the name.
    pub(crate) planes: usize,
    pub(crate) record: bool,
    /// Adds to what is recorded.
    pub(crate) more: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct Seeds {
    pub(crate) first: u64,
    pub(crate) cases: usize,
}

impl Seeds {
    /// One world each.
    fn worlds(self) -> Range<u64> {
        self.first..self.first.saturating_add(self.cases.div_ceil(OF_WORLD) as u64)
    }
}

/// What a run has come to.
pub(crate) struct Compared {
    pub(crate) same: bool,
    pub(crate) cases: usize,
    /// Cases of worlds that the time did not reach.
    pub(crate) left: usize,
}

/// Backups that share one world.
const OF_WORLD: usize = 10;
/// Worlds between two starts of the server with other settings, times those.
const OF_ROUND: usize = 3 * SERVERS.len();
/// For one backup.
const PATIENCE: Duration = Duration::from_secs(180);
/// A backup in progress for longer is looked for in the server's log.
const QUIET: Duration = Duration::from_secs(3);
/// The settings of the server that a world is judged under, in turn.
const SERVERS: [&[&str]; 5] = [
    &["--features=EnableCSI"],
    &[],
    &["--features=EnableCSI", "--default-volumes-to-fs-backup"],
    &["--features=EnableCSI", "--default-snapshot-move-data"],
    &["--features=EnableCSI", "--global-backup-volume-policies-configmap=global"],
];

/// Worlds of one setting of the server, for which it starts once.
struct Chunk {
    turn: usize,
    seeds: Vec<u64>,
}

/// What planes that work side by side share.
struct Work<'o> {
    options: &'o Options,
    began: Instant,
    version: Version,
    chunks: Mutex<VecDeque<Chunk>>,
    summary: Mutex<Summary>,
    left: AtomicUsize,
}

pub(crate) fn diff(options: &Options) -> Result<Compared> {
    let began = Instant::now();
    let mut benches = Vec::new();
    for plane in 0..options.planes.max(1) {
        let name = if plane == 0 { options.name.clone() } else { format!("{}-{plane}", options.name) };
        benches.push(bench(&name, options.velero.as_deref())?);
    }
    let version: Version = servers_version(&benches.first().context("there is no plane")?.node)?;
    let seeds = options.given.worlds();
    let mut summary =
        if options.more { page::read(&crate::cache::checkout()?, version, &seeds)? } else { Summary::new(version) };
    let before = summary.cases;
    summary.seeds.push(seeds);
    let work = Work {
        options,
        began,
        version,
        chunks: Mutex::new(chunks(options).into()),
        summary: Mutex::new(summary),
        left: AtomicUsize::new(0),
    };
    let ended = thread::scope(|scope| {
        let all: Vec<_> = benches.iter_mut().map(|bench| scope.spawn(|| work_on(bench, &work))).collect();
        let ended = all.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("its thread ended"))));
        ended.collect::<Result<Vec<()>>>()
    });
    ended?;
    let summary = work.summary.into_inner().map_err(|_| anyhow!("a plane's thread ended"))?;
    summary.print();
    if summary.cases == before {
        bail!("no case was compared in {:.0} s", began.elapsed().as_secs_f64());
    }
    Ok(Compared { same: summary.differences.is_empty(), cases: summary.cases, left: work.left.into_inner() })
}

fn bench(name: &str, velero: Option<&str>) -> Result<Bench> {
    up::up(&up::Options { name: name.to_owned(), plane: true, velero: velero.map(str::to_owned), servers: None })?;
    let cache = Cache::open()?;
    let servers = Servers::build(&cache, velero)?;
    let bench = Bench::start(Node::open(&cache, name)?, &servers)?;
    world::ground(&bench.api, |manifest| bench.node.apply(manifest))?;
    Ok(bench)
}

/// Takes chunks until there is none.
fn work_on(bench: &mut Bench, work: &Work<'_>) -> Result<()> {
    let Work { options, began, version, .. } = *work;
    let next = || work.chunks.lock().ok().and_then(|mut chunks| chunks.pop_front());
    while let Some(Chunk { turn, seeds }) = next() {
        let known = |flag: &&str| !flag.starts_with("--global-") || version.has(Feature::GlobalPolicies);
        let flags: Vec<&str> = SERVERS.get(turn).copied().unwrap_or_default().iter().copied().filter(known).collect();
        let mut started = None;
        for seed in seeds {
            if options.at_most.is_some_and(|end| began.elapsed() >= end) {
                work.left.fetch_add(OF_WORLD, Ordering::Relaxed);
                continue;
            }
            if started.is_none() {
                bench.velero(&flags, version)?;
                started = Some(server(&flags, version)?);
            }
            let Some(server) = &started else { continue };
            one_world(bench, &flags, server, seed, &work.summary).with_context(|| format!("world of seed {seed}"))?;
            let summary = work.summary.lock().map_err(|_| anyhow!("another plane's thread ended"))?;
            println!("{:>6.0}s  seed {seed}: {}", began.elapsed().as_secs_f64(), summary.line());
            if options.record {
                // After each: a run of hours that is interrupted has shown something, too.
                summary.write(&crate::cache::checkout()?, began.elapsed())?;
            }
        }
    }
    world::clear(&bench.api)
}

fn chunks(options: &Options) -> Vec<Chunk> {
    let all = [Some(options.given), options.new].into_iter().flatten().map(Seeds::worlds);
    let rounds = all.flat_map(|all| {
        let starts = all.clone().step_by(OF_ROUND);
        starts.map(move |start| start..all.end.min(start.saturating_add(OF_ROUND as u64)))
    });
    let of_round = |round: Range<u64>| {
        (0..SERVERS.len()).map(move |turn| {
            // A seed tells the settings too, so that it alone repeats a world.
            let seeds = round.clone().filter(|seed| seed % SERVERS.len() as u64 == turn as u64).collect();
            Chunk { turn, seeds }
        })
    };
    rounds.flat_map(of_round).filter(|chunk| !chunk.seeds.is_empty()).collect()
}

/// What every run of the tests compares: 150 cases that are always the same and 50 new ones.
pub(crate) fn sample(name: &str, at_most: Duration) -> Result<Compared> {
    let first = new_seed();
    println!("DR_SEED={first}");
    let (given, new) = (Seeds { first: 1, cases: 150 }, Some(Seeds { first, cases: 50 }));
    diff(&Options {
        name: name.to_owned(),
        velero: None,
        given,
        new,
        at_most: Some(at_most),
        planes: 1,
        record: false,
        more: false,
    })
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

pub(crate) fn servers_version(node: &Node) -> Result<Version> {
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

fn one_world(bench: &mut Bench, flags: &[&str], server: &Server, seed: u64, summary: &Mutex<Summary>) -> Result<()> {
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
        // One after the other: the objects that one makes would be in the next.
        bench.api.create(&backups(""), &manifest(name, asked))?;
        let backup = wait(bench, name)?;
        if phase(&backup) == PANIC {
            // It counts as running until the server starts anew, and no other backup would begin.
            bench.velero(flags, server.version)?;
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
        let mut summary = summary.lock().map_err(|_| anyhow!("another plane's thread ended"))?;
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
            _ if began.elapsed() > PATIENCE => bail!("backup {name} is {phase:?} after {} s", PATIENCE.as_secs()),
            _ => std::thread::sleep(Duration::from_millis(80)),
        }
    }
}
