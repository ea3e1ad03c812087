//! `kubectl dr backup status` of all namespaces, with Velero's own server to sign its downloads.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use super::coverage::{RUNS, best, start};
use super::large::{self, Namespace};
use super::watched::{self, Run};
use crate::diff::bench::{BUCKET, Bench};
use crate::diff::servers_version;
use crate::node::Node;

const NAME: &str = "bench-status";
const NAMESPACES: usize = 20;
const CLAIMS: usize = 1_000;
/// Beside claims, their volumes and the pods that mount them.
const OTHERS: usize = 7_000;
const BACKUPS: usize = 200;
const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn measure() -> Result<String> {
    let (mut bench, program) = start(NAME)?;
    let version = servers_version(&bench.node)?;
    bench.velero(&["--features=EnableCSI"], version)?;
    let now = Timestamp::now().round(Unit::Second)?;
    large::storage(&bench.api)?;
    schedules(&bench, now)?;
    large::fill(&bench.api, &namespaces(1, 0))?;
    backups(&bench, 1, 1, now)?;
    let few = requests(&bench.node, &program)?;
    let began = Instant::now();
    large::fill(&bench.api, &namespaces(CLAIMS / NAMESPACES, OTHERS / NAMESPACES))?;
    backups(&bench, BACKUPS / NAMESPACES, CLAIMS / NAMESPACES, now)?;
    println!("the objects are there after {:.0} s", began.elapsed().as_secs_f64());
    let many = requests(&bench.node, &program)?;
    let cold = best(|| {
        forget(&bench.node)?;
        watched::run(&mut command(&bench.node, &program)?)
    })?;
    let warm = best(|| watched::run(&mut command(&bench.node, &program)?))?;
    let again = watched::requests(&mut command(&bench.node, &program)?)?;
    let row = |of: &str, Run { took, first, peak }: &Run, requests: usize| {
        format!("| {of} | {took:.2} s | {first:.2} s | {peak} MiB | {requests} |")
    };
    Ok(format!(
        "## Status\n\n`cargo xtask bench status`: `kubectl dr backup status -A` of {NAMESPACES} namespaces with {} objects, \
         {CLAIMS} claims and {BACKUPS} backups among them, on a real API server without nodes, with Velero's own server and \
         an S3 server (the best of {RUNS}). Promised: at most 2 s and 150 MiB, the first line within 0.3 s, and requests by \
         kinds and pages of 500, and by lists that are downloaded: one for each namespace, until it is kept on this \
         machine.\n\n\
         | | time | first output | memory at most | requests |\n|---|---|---|---|---|\n{}\n{}\n\n\
         With one claim and one backup in each of the {NAMESPACES} namespaces, and no list kept, it makes {few} requests.",
        3 * CLAIMS + OTHERS,
        row("no list kept", &cold, many),
        row("all lists kept", &warm, again),
    ))
}

fn namespaces(claims: usize, others: usize) -> Vec<Namespace> {
    (0..NAMESPACES).map(|at| Namespace { name: namespace(at), claims, others }).collect()
}

fn namespace(at: usize) -> String {
    format!("large-{at}")
}

fn schedules(bench: &Bench, now: Timestamp) -> Result<()> {
    // None is due while this runs.
    let hour = (now + SignedDuration::from_hours(12)).strftime("%H").to_string();
    for at in 0..NAMESPACES {
        let schedule = json!({ "apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": { "name": namespace(at) },
            "spec": { "schedule": format!("0 {hour} * * *"), "template": { "includedNamespaces": [namespace(at)] } } });
        bench.api.ensure(&large::velero("schedules"), &schedule)?;
    }
    Ok(())
}

/// The newest of each namespace an hour old, those before it a day apart, with their lists in the bucket.
fn backups(bench: &Bench, each: usize, claims: usize, now: Timestamp) -> Result<()> {
    for at in 0..NAMESPACES {
        let space = namespace(at);
        for day in 0..each {
            let taken = (now - SignedDuration::from_hours(1) - DAY * i32::try_from(day)?).to_string();
            let name = format!("{space}-{claims}-{day}");
            let backup = json!({ "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": { "name": name },
                "spec": { "includedNamespaces": [space], "storageLocation": "default" },
                "status": { "phase": "Completed", "startTimestamp": taken, "completionTimestamp": taken } });
            bench.api.ensure(&large::velero("backups"), &backup)?;
            let infos: Vec<Value> = (0..claims).map(|number| large::snapshot_info(&space, number, &taken)).collect();
            let folder = bench.node.path(&format!("s3/data/{BUCKET}/backups/{name}"));
            fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
            let file = fs::File::create(folder.join(format!("{name}-volumeinfo.json.gz")))?;
            let mut file = GzEncoder::new(file, Compression::default());
            file.write_all(serde_json::to_string(&infos)?.as_bytes())?;
            file.finish()?;
        }
    }
    Ok(())
}

/// In the node's network: the signed addresses lead to an S3 server there.
fn command(node: &Node, program: &Path) -> Result<Command> {
    let mut command = node.on_its_network(program)?;
    command.args(["status", "-A"]);
    Ok(command)
}

/// With no list kept on this machine.
fn requests(node: &Node, program: &Path) -> Result<usize> {
    forget(node)?;
    let said = command(node, program)?.args(["-o", "json"]).output()?;
    let told: Value = serde_json::from_slice(&said.stdout).context("read what status says")?;
    let items = told.get("items").and_then(Value::as_array).context("it tells of no namespaces")?;
    let good = items.iter().filter(|item| item.get("standing").and_then(Value::as_str) == Some("good")).count();
    if good != NAMESPACES {
        bail!("of {NAMESPACES} namespaces {good} are good: {told:#}");
    }
    forget(node)?;
    watched::requests(&mut command(node, program)?)
}

fn forget(node: &Node) -> Result<()> {
    let kept = node.path("home/.cache/kubectl-dr");
    if kept.exists() {
        fs::remove_dir_all(&kept).with_context(|| format!("remove {}", kept.display()))?;
    }
    Ok(())
}
