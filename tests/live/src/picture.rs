//! What the node looks like at the moment a test fails: it is gone when the test has cleaned up behind itself.

use std::panic;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Once;

use serde_json::Value;

/// Begins each line of it; `cargo xtask test` repeats such lines beside the test's name.
const MARK: &str = "AT FAILURE: ";

/// From now on a panic prints its message and the node's state.
pub(crate) fn on_panic(kubectl: PathBuf, kubeconfig: PathBuf) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            let payload = info.payload();
            let message = payload.downcast_ref::<&str>().copied();
            let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            println!("{MARK}{place}: {}", message.lines().next().unwrap_or_default());
            let ask = |args: &[&str]| answer(Command::new(&kubectl).arg("--kubeconfig").arg(&kubeconfig).args(args));
            for line in picture(&ask).into_iter().chain(machine()) {
                println!("{MARK}{line}");
            }
        }));
    });
}

fn answer(command: &mut Command) -> Value {
    let out = command.args(["-o", "json", "--request-timeout=10s"]).stdin(Stdio::null()).output();
    out.ok().and_then(|out| serde_json::from_slice(&out.stdout).ok()).unwrap_or(Value::Null)
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What is wrong in it, and nothing of what is right.
fn picture(ask: &dyn Fn(&[&str]) -> Value) -> Vec<String> {
    let mut lines = Vec::new();
    let nodes = ask(&["get", "nodes"]);
    if items(&nodes).is_empty() {
        lines.push("the API server does not answer with a node".to_owned());
    }
    for node in items(&nodes) {
        lines.extend(conditions(node, |kind, status| (status == "True") != (kind == "Ready")));
        for taint in node["spec"]["taints"].as_array().into_iter().flatten() {
            lines.push(format!("node: taint {}", text(&taint["key"])));
        }
    }
    for pod in items(&ask(&["get", "pods", "-A"])) {
        if let Some(line) = unready(pod) {
            lines.push(line);
        }
    }
    let mut events = items(&ask(&["get", "events", "-A", "--field-selector", "type=Warning"])).to_vec();
    events.sort_by_key(|event| text(&event["lastTimestamp"]).to_owned());
    for event in events.iter().rev().take(6) {
        let (of, message) = (&event["involvedObject"], text(&event["message"]));
        let short: String = message.chars().take(220).collect();
        let about = format!("{}/{}", text(&of["kind"]), text(&of["name"]));
        lines.push(format!("event {} {about}: {}: {short}", text(&event["lastTimestamp"]), text(&event["reason"])));
    }
    lines
}

fn conditions(object: &Value, wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    let all = all.filter(|one| wrong(text(&one["type"]), text(&one["status"])));
    all.map(|one| format!("node: {} is {}: {}", text(&one["type"]), text(&one["status"]), text(&one["message"])))
        .collect()
}

/// A pod that neither runs with all its containers ready nor has ended well.
fn unready(pod: &Value) -> Option<String> {
    let (meta, now) = (&pod["metadata"], &pod["status"]);
    let phase = text(&now["phase"]);
    let containers = || now["containerStatuses"].as_array().into_iter().flatten();
    let all_ready = containers().count() > 0 && containers().all(|one| one["ready"] == true);
    if phase == "Succeeded" || (phase == "Running" && all_ready) {
        return None;
    }
    let waits = containers().filter(|one| one["ready"] != true).map(|one| {
        let state = ["waiting", "terminated", "running"].iter().find_map(|kind| {
            let state = one["state"].get(kind)?;
            Some(format!("{kind} {} {}", text(&state["reason"]), text(&state["message"])))
        });
        format!("{} {}", text(&one["name"]), state.unwrap_or_default().trim())
    });
    let waits: Vec<String> = waits.collect();
    let conditions = now["conditions"].as_array().into_iter().flatten();
    let because = conditions.filter(|one| one["status"] == "False").map(|one| text(&one["message"]));
    let why = because.filter(|message| !message.is_empty()).collect::<Vec<_>>().join("; ");
    Some(format!("pod {}/{}: {phase}: {} {why}", text(&meta["namespace"]), text(&meta["name"]), waits.join(", ")))
}

/// The machine's memory, disk and load, which every node on it shares.
fn machine() -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find(|line| line.starts_with("MemAvailable")).unwrap_or_default().to_owned();
    let disk = Command::new("df").args(["-m", "--output=avail,pcent", "/"]).output();
    let disk = disk.map(|out| String::from_utf8_lossy(&out.stdout).lines().last().unwrap_or_default().to_owned());
    vec![format!("machine: {memory}; disk MiB {}; load {}", disk.unwrap_or_default(), read("/proc/loadavg").trim())]
}
