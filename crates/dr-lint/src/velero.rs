//! Velero's kinds as rules ask for them.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use dr_core::kind::Kind;
use dr_core::select::Server;
use dr_yaml::Path;

use crate::input::{Input, Object};
use crate::json::Value;
use crate::judge::Context;

/// A minor version of Velero whose schemas are built in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V1_15,
    V1_16,
    V1_17,
    #[default]
    V1_18,
}

impl Version {
    pub const ALL: [Self; 4] = [Self::V1_15, Self::V1_16, Self::V1_17, Self::V1_18];

    /// The newest patch of it, as the engine of selection counts versions.
    pub(crate) const fn select(self) -> dr_core::select::Version {
        use dr_core::select::Version;
        match self {
            Self::V1_15 => Version::new(1, 15, 2),
            Self::V1_16 => Version::new(1, 16, 2),
            Self::V1_17 => Version::new(1, 17, 2),
            Self::V1_18 => Version::new(1, 18, 3),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_15 => "1.15",
            Self::V1_16 => "1.16",
            Self::V1_17 => "1.17",
            Self::V1_18 => "1.18",
        })
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.strip_prefix('v').unwrap_or(text);
        let minor = |version: &Self| plain == version.to_string() || plain.starts_with(&format!("{version}."));
        Self::ALL.into_iter().find(minor).ok_or_else(|| {
            let known: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            format!("known versions of Velero: {}", known.join(", "))
        })
    }
}

/// What a backup is asked to hold: of a Backup its spec, of a Schedule the template of its backups.
#[derive(Debug)]
pub(crate) struct Spec<'i> {
    pub(crate) object: &'i Object,
    pub(crate) path: Path,
    pub(crate) value: &'i Value,
}

impl<'i> Spec<'i> {
    /// Those of the Backups and Schedules that are judged, and those of the Restores.
    pub(crate) fn all(input: &'i Input) -> (Vec<Self>, Vec<Self>) {
        let of = |object: &'i Object| {
            let (pointer, path) = match object.kind {
                Some(Kind::Backup | Kind::Restore) => ("/spec", Path::keys("spec")),
                Some(Kind::Schedule) => ("/spec/template", Path::keys("spec.template")),
                Some(_) | None => return None,
            };
            let value = object.raw.at(pointer).filter(|value| value.is_object())?;
            Some(Spec { object, path, value })
        };
        let found = input.objects.iter().filter(|object| !object.context).filter_map(of);
        found.partition(|spec| spec.object.kind != Some(Kind::Restore))
    }

    pub(crate) fn get(&self, field: &str) -> Option<&'i Value> {
        self.value.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn at(&self, field: &str) -> Path {
        self.path.clone().key(field)
    }

    /// The strings of a list with their places.
    pub(crate) fn strings(&self, field: &str) -> Vec<(Path, &'i str)> {
        strings(self.value.get(field), &self.at(field))
    }
}

/// The strings of a list with their places.
pub(crate) fn strings<'v>(list: Option<&'v Value>, path: &Path) -> Vec<(Path, &'v str)> {
    let items = list.and_then(Value::as_array).into_iter().flatten().enumerate();
    items.filter_map(|(at, item)| Some((path.clone().index(at), item.as_str()?))).collect()
}

impl<'i> Context<'i> {
    /// Every object that is judged.
    pub(crate) fn judged(&self) -> impl Iterator<Item = &'i Object> + use<'i> {
        self.input.objects.iter().filter(|object| !object.context)
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &'i Object> + use<'i> {
        self.judged().filter(move |object| object.kind == Some(kind))
    }

    /// Everything of a kind, context included.
    pub(crate) fn seen(&self, kind: Kind) -> impl Iterator<Item = &'i Object> + use<'i> {
        self.input.objects.iter().filter(move |object| object.kind == Some(kind))
    }

    /// The specs of all Backups and Schedules.
    pub(crate) fn backups(&self) -> &'i [Spec<'i>] {
        self.backups
    }

    /// Velero's version to the patch: the cluster's where that is what is judged by.
    pub(crate) fn version(&self) -> dr_core::select::Version {
        let live = self.input.live.as_ref().and_then(|cluster| cluster.version);
        let own = self.velero.select();
        live.filter(|live| (live.major, live.minor) == (own.major, own.minor)).unwrap_or(own)
    }

    /// Whether everything of a kind was seen, as far as it can be in a run: of a cluster some may not be read.
    pub(crate) fn knows_all(&self, kind: Kind) -> bool {
        self.input.live.as_ref().is_none_or(|cluster| !cluster.unread.contains_key(&kind))
    }

    /// The resource policies that a Backup or Schedule refers to, each with its ConfigMap and its place there; those that
    /// cannot be read are for a rule of their own.
    pub(crate) fn policies(&self) -> Vec<(&'i Object, Path, Value)> {
        let named: HashSet<(&str, Option<&str>)> = self
            .backups()
            .iter()
            .filter_map(|spec| {
                let name = spec.value.pointer("/resourcePolicy/name").and_then(Value::as_str)?;
                Some((name, spec.object.raw.namespace()))
            })
            .collect();
        let meant = self.of(Kind::ConfigMap).filter(|config| named.contains(&(config.name(), config.raw.namespace())));
        let read = meant.filter_map(|config| {
            let data = config.raw.at("/data").and_then(Value::as_object).filter(|data| data.len() == 1)?;
            let (key, text) = data.iter().next()?;
            let document = dr_yaml::read(&dr_yaml::Text::from(text.as_str()?)).documents.into_iter().next()?;
            let value = document.tree.ok()?.value().ok()?;
            Some((config, Path::keys("data").key(key), Value::from(value)))
        });
        read.collect()
    }

    /// Whether it is for Velero to choose among the classes of a driver: no claim or backup chooses for itself, and
    /// of the backups that are judged one may take snapshots, or there is none.
    pub(crate) fn velero_chooses_classes(&self) -> bool {
        let choosers = [Kind::PersistentVolumeClaim, Kind::Backup, Kind::Schedule];
        if !choosers.into_iter().all(|kind| self.knows_all(kind)) {
            return false;
        }
        let mut others = self.input.objects.iter().filter(|object| object.kind != Some(Kind::VolumeSnapshotClass));
        let backups = self.backups();
        let snapshots = |spec: &Spec<'_>| spec.get("snapshotVolumes").and_then(Value::as_bool) != Some(false);
        !others.any(|object| object.raw.0.to_string().contains("velero.io/csi-volumesnapshot-class"))
            && (backups.is_empty() || backups.iter().any(snapshots))
    }

    /// Servers whose Deployments are among the manifests, or in the cluster; of any other nobody knows the flags.
    pub(crate) fn servers(&self) -> Vec<(&'i Object, Server)> {
        let own = self.input.live.as_ref().map(|cluster| cluster.velero_namespace.as_str());
        let of_velero = |object: &&Object| {
            let containers = object.raw.list_at("/spec/template/spec/containers");
            // Another Velero in the cluster has backups of its own.
            let its_own =
                own.is_none() || object.raw.namespace() == own || !object.live && object.raw.namespace().is_none();
            its_own && containers.iter().any(|container| container.to_string().contains("velero"))
        };
        let servers = self.seen(Kind::Deployment).filter(of_velero);
        let servers =
            servers.filter_map(|object| Some((object, Server::of(&object.loose(), Some(self.version())).ok()?)));
        let mut servers: Vec<_> = servers.collect();
        // Values are a part of what a chart makes the cluster's of.
        servers.sort_by_key(|(object, _)| own.is_some() && object.chart.is_some());
        servers
    }

    /// The specs of all Restores.
    pub(crate) fn restores(&self) -> &'i [Spec<'i>] {
        self.restores
    }
}

/// The one that an object meets.
pub(crate) fn server_of<'s>(servers: &'s [(&Object, Server)], object: &Object) -> Option<&'s Server> {
    servers.iter().find(|(deployment, _)| deployment.meets(object)).map(|(_, server)| server)
}
