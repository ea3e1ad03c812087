//! What a copy of a running engine's files is worth, and what Velero can run in it right before.
//!
//! Wider than [`crate::engine`]: those profiles open and verify data, these only tell what a backup of it is good for.
//! A claim whose engine is not known here is not judged.

use serde_json::{Value, json};

use crate::engine::{self, Container};
use crate::object::Object;

mod elasticsearch;
mod mongodb;
mod mysql;
mod postgres;
mod rabbitmq;
mod redis;

/// How one kind of engine takes being backed up while it runs.
#[derive(Debug)]
pub struct Care {
    pub engine: &'static str,
    recognise: fn(&Container<'_>) -> bool,
    /// What is wrong with a snapshot of its one volume; none where it comes back as after a power cut.
    pub snapshot: Option<Doubt>,
    /// What is wrong with a copy made file by file.
    pub files: Option<Doubt>,
    /// What every copy lacks unless `pre_backup` ran right before.
    pub unsaved: Option<&'static str>,
    /// Shell that Velero runs in the container right before, with `onError: Continue`.
    pub pre_backup: Option<&'static str>,
}

/// Why a copy may not be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// The sentence, without its full stop.
    pub says: &'static str,
    /// What to do instead.
    pub instead: &'static str,
    /// Where that is said.
    pub source: &'static str,
}

impl Care {
    /// The entry of `spec.hooks.resources` that runs `pre_backup` in these pods; none where nothing is to run. One that
    /// fails stops no backup.
    pub fn hook(&self, name: &str, namespace: &str, labels: &Value, container: &str, mount: &str) -> Option<Value> {
        /// A checkpoint of a busy database takes as long as its dirty pages.
        const TIMEOUT: &str = "2m0s";
        let command = engine::command(self.pre_backup?, mount);
        Some(json!({
            "name": name,
            "includedNamespaces": [namespace],
            "includedResources": ["pods"],
            "labelSelector": { "matchLabels": labels },
            "pre": [{ "exec": {
                "container": container, "command": command, "onError": "Continue", "timeout": TIMEOUT,
            } }],
        }))
    }
}

/// Every engine that is known.
pub const ENGINES: &[&Care] = &[
    &postgres::CARE,
    &mysql::CARE,
    &mongodb::CARE,
    &redis::APPENDING,
    &redis::CARE,
    &elasticsearch::CARE,
    &rabbitmq::CARE,
];

/// The engine that keeps its data on the container's mount.
pub fn of(container: &Container<'_>) -> Option<&'static Care> {
    ENGINES.iter().copied().find(|care| (care.recognise)(container))
}

/// The engine that keeps its data on the pod's volume: in which container, mounted where.
pub fn find<'a>(pod: &'a Object, volume: &str) -> Option<(&'static Care, &'a str, &'a str)> {
    pod.list_at("/spec/containers").iter().find_map(|spec| {
        let container = spec.get("name").and_then(Value::as_str)?;
        let mounts = spec.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
        let mut mounts = mounts.filter(|mount| mount.get("name").and_then(Value::as_str) == Some(volume));
        mounts.find_map(|mount| {
            let mount = mount.get("mountPath").and_then(Value::as_str)?;
            Some((of(&Container { spec, mount })?, container, mount))
        })
    })
}

/// By the image's name, confirmed by where the volume is mounted: an exporter has the name, too.
fn named(container: &Container<'_>, images: &[&str], mounts: &[&str]) -> bool {
    let name = container.image_name();
    images.contains(&name) && mounts.iter().any(|mount| under(container.mount, mount))
}

/// Whether the path is the mount or below it, or the mount lies on it.
fn under(path: &str, mount: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
    };
    inside(path, mount) || inside(mount, path)
}
