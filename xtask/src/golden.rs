//! Expectations that others' programs have: what kubectl makes of YAML, what Go makes of durations and Velero's cron
//! parser of expressions. They are asked here and the answers are committed, so that tests need none of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;

pub(crate) mod cron;
mod yaml;

use crate::{cache, cmd, servers};

/// The annotation by which kubectl is made to print what it has read.
const MARK: &str = "kubectl-dr-golden";

/// One line of the file of cases.
#[derive(Serialize)]
struct Case {
    name: String,
    input: String,
    /// The objects kubectl read before it stopped.
    objects: Vec<Value>,
    /// Whether it stopped with an error.
    fails: bool,
}

/// Asks kubectl about every case and writes the answers down.
pub(crate) fn yaml(kubectl: Option<PathBuf>) -> Result<()> {
    let kubectl = match kubectl {
        Some(path) => path,
        None => servers::Servers::build(&cache::Cache::open()?, None)?.file("kubectl")?.to_path_buf(),
    };
    let version = cmd::output(Command::new(&kubectl).args(["version", "--client", "-o", "json"]))?;
    let version: Value = serde_json::from_str(&version).context("read kubectl's version")?;
    let version = version.pointer("/clientVersion/gitVersion").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let inputs = yaml::inputs()?;
    println!("asking kubectl {version} about {} cases", inputs.len());
    let next = AtomicUsize::new(0);
    let answers = std::thread::scope(|scope| {
        let worker = || -> Result<Vec<(usize, Case)>> {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some((name, input)) = inputs.get(at) else { return Ok(done) };
                let (objects, fails) = ask(&kubectl, input).with_context(|| format!("case {name}"))?;
                done.push((at, Case { name: name.clone(), input: input.clone(), objects, fails }));
            }
        };
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker died")))
            .collect::<Result<Vec<_>>>()
    })?;
    let mut answers: Vec<(usize, Case)> = answers.into_iter().flatten().collect();
    answers.sort_by_key(|(at, _)| *at);
    let mut text = format!("{}\n", serde_json::json!({ "kubectl": version }));
    for (_, case) in &answers {
        text.push_str(&serde_json::to_string(case).context("write a case")?);
        text.push('\n');
    }
    let path = cache::checkout()?.join("crates/dr-yaml/tests/golden.jsonl");
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    println!("{} cases in {}", answers.len(), path.display());
    Ok(())
}

/// Asks Go's own `time` and robfig/cron at the version Velero has.
pub(crate) fn go() -> Result<()> {
    let folder = cache::Cache::open()?.root().join("golden-go");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let module = "module golden\n\ngo 1.22\n\nrequire github.com/robfig/cron/v3 v3.0.1\n";
    std::fs::write(folder.join("go.mod"), module).context("write go.mod")?;
    std::fs::write(folder.join("main.go"), include_str!("golden/oracle.go")).context("write main.go")?;
    let mut go = Command::new("go");
    go.args(["run", "-mod=mod", "."]).current_dir(&folder);
    let answers = cmd::feed(&mut go, include_bytes!("golden/go.json"))?;
    let path = cache::checkout()?.join("crates/dr-core/tests/go.jsonl");
    std::fs::write(&path, &answers).with_context(|| format!("write {}", path.display()))?;
    println!("{} answers in {}", answers.lines().count(), path.display());
    Ok(())
}

/// Asks velero's own command line what it would make, without a server: `-o json` prints and sends nothing.
pub(crate) fn commands() -> Result<()> {
    let cache = cache::Cache::open()?;
    let velero = servers::Servers::build(&cache, None)?.file("velero")?.to_path_buf();
    let folder = cache.root().join("golden-commands");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "none", "cluster": { "server": "http://127.0.0.1:1" } }],
        "contexts": [{ "name": "none", "context": { "cluster": "none", "user": "none" } }],
        "users": [{ "name": "none", "user": {} }],
        "current-context": "none",
    });
    std::fs::write(folder.join("kubeconfig"), config.to_string()).context("write a kubeconfig")?;
    let ask = |args: &[String]| {
        let mut command = Command::new(&velero);
        command.env("KUBECONFIG", folder.join("kubeconfig")).env("HOME", &folder).args(args).output()
    };
    let version = ask(&["version".to_owned(), "--client-only".to_owned()]).context("ask velero for its version")?;
    let version = String::from_utf8_lossy(&version.stdout);
    let version = version.lines().find_map(|line| line.trim().strip_prefix("Version: ")).unwrap_or("unknown");
    let lines: Vec<Vec<String>> =
        serde_json::from_str(include_str!("golden/commands.json")).context("read golden/commands.json")?;
    let mut text = format!("{}\n", serde_json::json!({ "velero": version }));
    for args in lines {
        let behind = args.iter().rposition(|arg| ["create", "backup", "schedule", "restore"].contains(&arg.as_str()));
        let behind = behind.context("a command that creates nothing")? + 1;
        let mut asked = args.clone();
        asked.splice(behind..behind, ["-o".to_owned(), "json".to_owned()]);
        let told = ask(&asked).with_context(|| format!("ask velero {args:?}"))?;
        let answer = if told.status.success() {
            let object: Value = serde_json::from_slice(&told.stdout).context("read what velero printed")?;
            serde_json::json!({ "args": args, "object": object })
        } else {
            let said = String::from_utf8_lossy(&told.stderr);
            let error = said.lines().last().unwrap_or("").trim_start_matches("velero: ");
            if error.contains("connection refused") {
                // Right as far as nobody asks the server.
                continue;
            }
            serde_json::json!({ "args": args, "error": error })
        };
        text.push_str(&answer.to_string());
        text.push('\n');
    }
    let path = cache::checkout()?.join("crates/dr-lint/tests/commands.jsonl");
    std::fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
    println!("{} answers of velero {version} in {}", text.lines().count() - 1, path.display());
    Ok(())
}

/// The versions of Velero whose schemas are built in, with the module that has each.
const VELERO: [(&str, &str); 4] = [
    ("1.15", "github.com/vmware-tanzu/velero@v1.15.2"),
    ("1.16", "github.com/vmware-tanzu/velero@v1.16.2"),
    ("1.17", "github.com/vmware-tanzu/velero@v1.17.2"),
    ("1.18", "github.com/vmware-tanzu/velero@v1.18.1"),
];

const SNAPSHOTS: &str = "github.com/kubernetes-csi/external-snapshotter/client/v8@v8.4.0";
const KUBERNETES: &str = "k8s.io/kubernetes@v1.34.2";

/// The kinds of Kubernetes that rules look at.
const LOOKED_AT: [(&str, &str, &str); 12] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Namespace"),
    ("", "v1", "PersistentVolume"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "Pod"),
    ("apps", "v1", "DaemonSet"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "StatefulSet"),
    ("batch", "v1", "CronJob"),
    ("batch", "v1", "Job"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("storage.k8s.io", "v1", "StorageClass"),
];

/// Takes the schemas out of the CRDs of Velero and of snapshots, and out of what Kubernetes publishes, without
/// descriptions.
pub(crate) fn schemas() -> Result<()> {
    for (version, module) in VELERO {
        let folder = downloaded(module)?;
        let mut kinds = crds(&folder.join("config/crd/v1/bases"))?;
        kinds.extend(crds(&folder.join("config/crd/v2alpha1/bases"))?);
        written(&format!("velero-{version}"), &kinds, kinds.len())?;
    }
    let mut kinds = crds(&downloaded(SNAPSHOTS)?.join("config/crd"))?;
    kinds.retain(|kind, _| kind.starts_with("VolumeSnapshot"));
    written("snapshot", &kinds, kinds.len())?;
    let path = downloaded(KUBERNETES)?.join("api/openapi-spec/swagger.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let published: Value = serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
    let kubernetes = kubernetes(published.get("definitions").context("nothing is defined there")?)?;
    written("kubernetes", &kubernetes, LOOKED_AT.len())
}

/// The folder of a Go module.
fn downloaded(module: &str) -> Result<PathBuf> {
    let told = cmd::run("go", &["mod", "download", "-json", module])?;
    let told: Value = serde_json::from_str(&told).context("read what go mod download says")?;
    let folder = told.get("Dir").and_then(Value::as_str).context("go mod download names no folder")?;
    Ok(PathBuf::from(folder))
}

/// The schemas of a folder's CRDs, by kind.
fn crds(folder: &Path) -> Result<BTreeMap<String, Value>> {
    let mut kinds = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let crd: Value = serde_yaml::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        if crd.get("kind").and_then(Value::as_str) != Some("CustomResourceDefinition") {
            continue;
        }
        let kind = crd.pointer("/spec/names/kind").and_then(Value::as_str).context("a CRD without kind")?;
        let version = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").context("a CRD without schema")?;
        kinds.insert(kind.to_owned(), bare(version));
    }
    Ok(kinds)
}

/// Kinds by `GROUP/VERSION KIND`, each with the name of its definition, and all definitions that they come to.
fn kubernetes(published: &Value) -> Result<Value> {
    let defined = published.as_object().context("definitions are no map")?;
    let mut kinds = BTreeMap::new();
    for (group, version, kind) in LOOKED_AT {
        let is_it = |entry: &Value| entry["group"] == group && entry["version"] == version && entry["kind"] == kind;
        let of = |schema: &Value| {
            schema["x-kubernetes-group-version-kind"].as_array().is_some_and(|all| all.iter().any(is_it))
        };
        let found = defined.iter().find(|(_, schema)| of(schema)).with_context(|| format!("there is no {kind}"))?;
        let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        kinds.insert(format!("{version} {kind}"), found.0.clone());
    }
    let mut definitions: BTreeMap<String, Value> = BTreeMap::new();
    let mut open: Vec<String> = kinds.values().cloned().collect();
    while let Some(name) = open.pop() {
        if definitions.contains_key(&name) {
            continue;
        }
        let schema = match name.as_str() {
            // What is published as a string is taken as a number, too.
            "io.k8s.apimachinery.pkg.api.resource.Quantity" => serde_json::json!({}),
            "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => {
                serde_json::json!({ "x-kubernetes-int-or-string": true })
            }
            _ => bare(defined.get(&name).with_context(|| format!("{name} is not defined"))?),
        };
        refers(&schema, &mut open);
        definitions.insert(name, schema);
    }
    Ok(serde_json::json!({ "kinds": kinds, "definitions": definitions }))
}

fn refers(schema: &Value, to: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            to.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| refers(value, to));
        }
        Value::Array(items) => items.iter().for_each(|item| refers(item, to)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn written(name: &str, schemas: &impl Serialize, count: usize) -> Result<()> {
    let path = cache::checkout()?.join(format!("crates/dr-lint/src/schema/{name}.json"));
    let text = serde_json::to_string(schemas).context("write a schema")?;
    std::fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))?;
    println!("{count} kinds in {}", path.display());
    Ok(())
}

/// A schema without what nothing is decided on.
fn bare(schema: &Value) -> Value {
    const KEPT: [&str; 12] = [
        "$ref",
        "type",
        "properties",
        "items",
        "required",
        "enum",
        "nullable",
        "additionalProperties",
        "format",
        "minItems",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-int-or-string",
    ];
    let Value::Object(schema) = schema else { return schema.clone() };
    let kept = schema.iter().filter(|(key, _)| KEPT.contains(&key.as_str())).map(|(key, value)| {
        let value = match key.as_str() {
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                Value::Object(fields.map(|(name, schema)| (name.clone(), bare(schema))).collect())
            }
            "items" | "additionalProperties" => bare(value),
            "$ref" => Value::from(value.as_str().unwrap_or_default().trim_start_matches("#/definitions/")),
            _ => value.clone(),
        };
        (key.clone(), value)
    });
    Value::Object(kept.collect())
}

/// What kubectl reads of a stream: the objects it prints, and whether it ends with an error.
fn ask(kubectl: &Path, input: &str) -> Result<(Vec<Value>, bool)> {
    let mut child = Command::new(kubectl)
        .args(["annotate", "--local", "-f", "-", "-o", "json", &format!("{MARK}=1")])
        .env("KUBECONFIG", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", kubectl.display()))?;
    let mut stdin = child.stdin.take().context("kubectl has no standard input")?;
    std::io::Write::write_all(&mut stdin, input.as_bytes()).or_else(|error| {
        // kubectl may stop reading at the first document it cannot read.
        if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
    })?;
    drop(stdin);
    let out = child.wait_with_output().context("wait for kubectl")?;
    let mut objects = Vec::new();
    for object in serde_json::Deserializer::from_slice(&out.stdout).into_iter::<Value>() {
        let mut object = object.context("read what kubectl printed")?;
        unmark(&mut object);
        objects.push(object);
    }
    let said = String::from_utf8_lossy(&out.stderr);
    if objects.is_empty() && out.status.success() && !said.contains("no objects passed") {
        bail!("kubectl printed nothing: {said}");
    }
    let fails = !out.status.success() && !said.contains("no objects passed");
    if fails
        && !said.contains("error parsing")
        && !said.contains("error converting")
        && !said.contains("unable to decode")
    {
        bail!("kubectl failed for another reason than its reading: {said}");
    }
    Ok((objects, fails))
}

fn unmark(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(MARK);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}
