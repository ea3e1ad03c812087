//! Engine profiles: how data is recognised, looked for, opened and read through. A profile is a value in a file of its own.

use serde_json::Value;

use crate::object::Object;

mod generic;
mod postgres;

/// How one kind of engine is handled. All commands run inside a container of the workload's own image.
#[derive(Debug)]
pub struct Profile {
    pub name: &'static str,
    /// Whether this container is such an engine, keeping its data on this mount.
    pub recognise: fn(&Container<'_>) -> bool,
    /// Environment variables whose value `recognise` reads; no other value is decided on, so none is kept.
    pub reads_env: &'static [&'static str],
    /// Shell that ends with 0 only where the engine's data was there before anything could make a new database.
    pub look: Option<&'static str>,
    /// Shell that prints a fingerprint ([`crate::fingerprint::read`]). `DR_MOUNT` is where the volume is mounted.
    pub fingerprint: &'static str,
    /// Shell that prints what must be the same before and after the swap, in a time that does not grow with the data.
    pub identity: Option<&'static str>,
    /// Shell that ends with 0 once the engine answers as a client would ask.
    pub ready: Option<&'static str>,
    /// Appended to the arguments of the staged engine: it must not archive, replicate or be found.
    pub staged_args: &'static [&'static str],
    /// The server's own command when the container gives no arguments.
    pub server: Option<&'static str>,
    /// Run in the container by Velero right before the backup, with `onError: Continue`.
    pub pre_backup: Option<&'static str>,
    /// A copy taken file by file while it runs may open with data missing.
    pub torn_by_file_copy: bool,
}

pub(crate) const POSTGRES: &Profile = &postgres::PROFILE;

/// Every profile, in the order they are asked; the last one takes whatever is left.
pub const PROFILES: &[&Profile] = &[&postgres::PROFILE, &generic::PROFILE];

pub fn named(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().copied().find(|profile| profile.name == name)
}

/// A container as a profile sees it.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    pub spec: &'a Value,
    pub mount: &'a str,
}

impl<'a> Container<'a> {
    pub fn image(&self) -> &'a str {
        self.spec.get("image").and_then(Value::as_str).unwrap_or("")
    }

    /// The image's last path segment without tag and digest.
    pub fn image_name(&self) -> &'a str {
        let image = self.image().split('@').next().unwrap_or("");
        let name = image.rsplit('/').next().unwrap_or("");
        name.split(':').next().unwrap_or("")
    }

    /// A literal environment variable.
    pub fn env(&self, name: &str) -> Option<&'a str> {
        let list = self.spec.get("env").and_then(Value::as_array)?;
        list.iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?.get("value")?.as_str()
    }

    /// Whether an environment variable is set, wherever its value comes from; those of `envFrom` are not seen.
    pub fn sets(&self, name: &str) -> bool {
        let list = self.spec.get("env").and_then(Value::as_array).into_iter().flatten();
        list.into_iter().any(|entry| entry.get("name").and_then(Value::as_str) == Some(name))
    }

    pub fn words(&self, field: &str) -> Vec<&'a str> {
        let list = self.spec.get(field).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// An engine found in a pod: which container, on which claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub profile: &'static str,
    pub container: String,
    pub mount: String,
    pub sub_path: Option<String>,
}

/// Which container keeps its data on the pod's volume, and by which profile it is read.
///
/// None when no container mounts the volume at all.
pub fn find(pod: &Object, volume: &str) -> Option<Found> {
    let mounts = || {
        pod.list_at("/spec/containers").iter().flat_map(|container| {
            let mounts = container.get("volumeMounts").and_then(Value::as_array);
            mounts.into_iter().flatten().map(move |mount| (container, mount))
        })
    };
    PROFILES.iter().find_map(|profile| {
        mounts().find_map(|(spec, mount)| {
            let path = mount.get("mountPath").and_then(Value::as_str)?;
            let named = mount.get("name").and_then(Value::as_str) == Some(volume);
            (named && (profile.recognise)(&Container { spec, mount: path })).then(|| Found {
                profile: profile.name,
                container: spec.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                mount: path.to_owned(),
                sub_path: mount.get("subPath").and_then(Value::as_str).map(str::to_owned),
            })
        })
    })
}

/// The command that runs a profile's shell in a container, told where the volume is mounted.
pub fn command(script: &str, mount: &str) -> Vec<String> {
    let script = format!("DR_MOUNT={}\n{script}", quoted(mount));
    vec!["sh".to_owned(), "-c".to_owned(), script]
}

/// One word of a POSIX shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
