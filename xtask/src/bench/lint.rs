//! `kubectl dr lint` beside kubeconform, in one run on the same files.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::watched::{self, Run};
use crate::cache::{self, Cache};
use crate::{cmd, dist};

/// Its newest release.
const KUBECONFORM: &str = "v0.8.0";
const FILES: usize = 1_000;
/// In each file.
const DOCUMENTS: usize = 3;
const STREAM: usize = 20_000_000;
const RUNS: usize = 5;
const STARTS: usize = 20;
/// The schemas of Velero that both are given.
const SCHEMAS: &str = "crates/dr-lint/src/schema/velero-1.18.json";

pub(super) fn measure() -> Result<String> {
    let root = cache::checkout()?;
    println!("building kubectl-dr-lint as it is shipped");
    let build = ["build", "--locked", "--profile", "dist", "--bin", "kubectl-dr-lint"];
    cmd::output(Command::new("cargo").args(build).current_dir(&root))?;
    let ours = dist::target(&root)?.join("dist/kubectl-dr-lint");
    let kubeconform = kubeconform(&Cache::open()?)?;
    let place = dist::target(&root)?.join("bench-lint");
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("empty {}", place.display()))?;
    }
    let schemas = schemas(&root, &place)?;
    let (files, input) = files(&place)?;
    let (stream, long) = stream(&place)?;
    let one = place.join("one.yaml");
    fs::write(&one, document(0))?;

    let lint = |path: &Path| {
        let mut command = Command::new(&ours);
        command.arg(path);
        command
    };
    let conform = |path: &Path| {
        let mut command = Command::new(&kubeconform);
        command.arg("-schema-location").arg(schemas.join("{{.ResourceKind}}.json"));
        command.args(["-ignore-missing-schemas", "-summary"]).arg(path);
        command
    };
    println!("{FILES} files, {} documents, {input} bytes", FILES * DOCUMENTS);
    let many = fastest(RUNS, || watched::run(&mut lint(&files)))?;
    let theirs = fastest(RUNS, || watched::run(&mut conform(&files)))?;
    println!("a stream of {long} bytes");
    let whole = fastest(RUNS, || watched::run(&mut lint(&stream)))?;
    let their_whole = fastest(RUNS, || watched::run(&mut conform(&stream)))?;
    println!("one file");
    let start = fastest(STARTS, || watched::run(&mut lint(&one)))?;
    let their_start = fastest(STARTS, || watched::run(&mut conform(&one)))?;

    let mut text = format!(
        "## Lint\n\n`cargo xtask bench lint`: `kubectl-dr-lint` as it is shipped beside kubeconform {KUBECONFORM}, which has \
         Velero's schemas on the disk and skips what it has none for; the fastest of {RUNS} ({STARTS} of one file). Promised: \
         faster than kubeconform on {} documents in {FILES} files; a stream of 20 MB within 1.5 s; from the start to the end \
         with one file 10 ms; memory at most 10 times the input and 20 MB.\n\n\
         | input | | kubectl dr lint | memory | kubeconform | memory |\n|---|---|---|---|---|---|\n",
        FILES * DOCUMENTS
    );
    for (what, bytes, our, their) in [
        (format!("{FILES} files, {} documents", FILES * DOCUMENTS), input, &many, &theirs),
        ("one stream".to_owned(), long, &whole, &their_whole),
        ("one file".to_owned(), fs::metadata(&one)?.len(), &start, &their_start),
    ] {
        let size = if bytes < 100_000 { format!("{bytes} bytes") } else { format!("{} kB", bytes / 1_000) };
        let _ = writeln!(
            text,
            "| {what} | {size} | {} | {} | {} | {} |",
            seconds(our.took),
            memory(our.peak),
            seconds(their.took),
            memory(their.peak)
        );
    }
    Ok(text)
}

fn seconds(took: f64) -> String {
    if took < 0.1 { format!("{:.1} ms", took * 1e3) } else { format!("{took:.2} s") }
}

/// A process may end before anybody has looked.
fn memory(peak: u64) -> String {
    if peak == 0 { "not seen".to_owned() } else { format!("{peak} MiB") }
}

fn fastest(runs: usize, mut run: impl FnMut() -> Result<Run>) -> Result<Run> {
    let mut best: Option<Run> = None;
    for _ in 0..runs {
        let run = run()?;
        if best.as_ref().is_none_or(|best| run.took < best.took) {
            best = Some(run);
        }
    }
    let best = best.context("nothing was measured")?;
    println!("  {}, {} MiB", seconds(best.took), best.peak);
    Ok(best)
}

/// Built from its Go module, once.
fn kubeconform(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.root().join("tools").join(format!("kubeconform-{KUBECONFORM}"));
    let program = folder.join("kubeconform");
    if !program.exists() {
        println!("building kubeconform {KUBECONFORM}");
        let mut go = Command::new("go");
        go.env("GOBIN", &folder).env("GOFLAGS", "-mod=mod");
        cmd::output(go.args(["install", &format!("github.com/yannh/kubeconform/cmd/kubeconform@{KUBECONFORM}")]))?;
    }
    Ok(program)
}

/// A file for each kind, as kubeconform looks for them.
fn schemas(root: &Path, place: &Path) -> Result<PathBuf> {
    let folder = place.join("schemas");
    fs::create_dir_all(&folder)?;
    let text = fs::read_to_string(root.join(SCHEMAS)).with_context(|| format!("read {SCHEMAS}"))?;
    let kinds: Value = serde_json::from_str(&text).with_context(|| format!("read {SCHEMAS}"))?;
    let kinds = kinds.as_object().with_context(|| format!("{SCHEMAS} holds no kinds"))?;
    for (kind, schema) in kinds {
        fs::write(folder.join(format!("{}.json", kind.to_lowercase())), schema.to_string())?;
    }
    if kinds.is_empty() {
        bail!("{SCHEMAS} holds no kinds");
    }
    Ok(folder)
}

/// The folder, and the bytes of all files in it.
fn files(place: &Path) -> Result<(PathBuf, u64)> {
    let folder = place.join("files");
    fs::create_dir_all(&folder)?;
    let mut bytes = 0;
    for number in 0..FILES {
        let text = document(number);
        bytes += u64::try_from(text.len())?;
        fs::write(folder.join(format!("app-{number}.yaml")), text)?;
    }
    Ok((folder, bytes))
}

fn stream(place: &Path) -> Result<(PathBuf, u64)> {
    let file = place.join("stream.yaml");
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= STREAM {
            break;
        }
        text.push_str(&document(number));
    }
    fs::write(&file, &text)?;
    Ok((file, u64::try_from(text.len())?))
}

/// What a team commits of one application: its database, its Schedule, and a Backup before an upgrade.
fn document(number: usize) -> String {
    let hour = number % 24;
    format!(
        "\
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
  namespace: app-{number}
  labels:
    app: db
spec:
  serviceName: db
  replicas: 1
  selector:
    matchLabels:
      app: db
  template:
    metadata:
      labels:
        app: db
    spec:
      containers:
        - name: postgres
          image: postgres:17
          env:
            - name: PGDATA
              value: /var/lib/postgresql/data/pgdata
          ports:
            - containerPort: 5432
          volumeMounts:
            - name: data
              mountPath: /var/lib/postgresql/data
  volumeClaimTemplates:
    - metadata:
        name: data
        labels:
          app: db
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: fast
        resources:
          requests:
            storage: 10Gi
---
apiVersion: velero.io/v1
kind: Schedule
metadata:
  name: app-{number}
  namespace: velero
spec:
  schedule: 15 {hour} * * *
  template:
    includedNamespaces: [app-{number}]
    snapshotVolumes: true
    ttl: 720h
---
apiVersion: velero.io/v1
kind: Backup
metadata:
  name: app-{number}-before-upgrade
  namespace: velero
spec:
  includedNamespaces:
    - app-{number}
  labelSelector:
    matchLabels:
      app: db
  snapshotVolumes: true
  ttl: 720h
"
    )
}
