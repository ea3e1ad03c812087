//! What a cluster would make of the manifests: the pods and claims of controllers, as their controllers make them.
//!
//! Nothing here decides what is in a backup; that is `dr_core::select`, on these objects.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dr_core::kind::Kind;
use dr_core::object::Object as Raw;
use dr_core::select::{
    Backup, Before, Cluster, ItemVerdict, Policies, Reason, Resources, Rule as Why, Selection, Server, Verdict, before,
    select,
};
use dr_yaml::{Path, Step};
use serde_json::Value;

use crate::input::Object;
use crate::judge::Context;
use crate::velero::server_of;

mod live;
mod make;

use live::Living;
use make::{Made, Making, Written};

/// A claim that a workload of the manifests has.
#[derive(Debug)]
pub(crate) struct Claim<'i> {
    pub(crate) workload: &'i Object,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Those that mount it.
    pub(crate) pods: Vec<String>,
    /// Of a StatefulSet the template it is made from.
    pub(crate) template: Option<Path>,
    /// Where its workload has its volumes.
    pub(crate) volumes: Path,
    /// It is in the cluster.
    pub(crate) live: bool,
}

/// What a backup would hold.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) selection: Selection,
    cluster: Arc<Cluster>,
    request: Backup,
    /// Whether each pod, by namespace and name, is in it.
    pods: OnceLock<HashMap<(String, String), bool>>,
}

impl Taken {
    /// What it would run in a pod before it takes its volumes; none where no such pod runs.
    pub(crate) fn before(&self, namespace: &str, pod: &str, container: &str) -> Option<Ran> {
        let before = before(&self.cluster, &self.request, namespace, pod, container)?;
        let pods = self.pods.get_or_init(|| {
            let pods = self.selection.items.iter().filter(|item| item.item.resource == "pods");
            // No manifest has the pods of node-agent: that there is one is for other rules.
            let is_in = |item: &ItemVerdict| {
                item.verdict == Verdict::Included || item.chain.iter().any(|why| why.rule == Why::NodeAgentMissing)
            };
            let place = |item: &ItemVerdict| (item.item.namespace.clone().unwrap_or_default(), item.item.name.clone());
            pods.map(|item| (place(item), is_in(item))).collect()
        });
        let is_in = *pods.get(&(namespace.to_owned(), pod.to_owned()))?;
        Some(if is_in { Ran::In(before) } else { Ran::NotThere })
    }
}

/// What runs in a pod.
#[derive(Debug)]
pub(crate) enum Ran {
    In(Before),
    /// The pod is not in the backup: nothing does.
    NotThere,
}

/// The objects of a cluster that these manifests describe, and whose claims are whose.
#[derive(Debug)]
pub(crate) struct Derived<'i> {
    pub(crate) claims: Vec<Claim<'i>>,
    /// Velero's own, where the manifests have it.
    pub(crate) servers: Vec<(&'i Object, Server)>,
    objects: Objects<'i>,
    whole: OnceLock<Arc<Cluster>>,
    /// What was made for the last few backups, by the namespaces they name: most of them have a Schedule and a Backup.
    last: Mutex<VecDeque<(Vec<String>, Shared)>>,
    /// What can make Velero refuse a backup.
    deciding: OnceLock<Cluster>,
    resources: Arc<Resources>,
    living: Option<Living<'i>>,
}

/// Made by whoever asks for it first.
type Shared = Arc<OnceLock<Arc<Cluster>>>;

#[derive(Debug)]
enum Objects<'i> {
    /// Beside a cluster, where what is there decides about all of it.
    Made(Made),
    /// Made for each backup of those that it can hold anything of, and given back a few backups later: many times what is
    /// written.
    ToMake(Written<'i>),
}

/// So many backups that follow each other find what was made for one of them.
const LAST: usize = 8;

const NOWHERE: &str = "default";

/// As Kubernetes writes a claim of no class. One whose class nobody knows is taken for such a one, and its volume has no
/// driver then: nothing is said that hangs on either.
const NO_CLASS: &str = "";

/// The fields that decide what is in a backup.
const DECIDE: [&str; 16] = [
    "includedNamespaces",
    "excludedNamespaces",
    "includedResources",
    "excludedResources",
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
    "labelSelector",
    "orLabelSelectors",
    "includeClusterResources",
    "snapshotVolumes",
    "snapshotMoveData",
    "defaultVolumesToFsBackup",
    "defaultVolumesToRestic",
    "resourcePolicy",
];

impl<'i> Derived<'i> {
    pub(crate) fn of(context: &Context<'i>) -> Self {
        let living = Living::of(context.input);
        let mut making = Making::of(living.as_ref(), context);
        let objects = if living.is_some() {
            making.add(&context.input.objects);
            Objects::Made(Made::of(making.finish(&HashSet::new())))
        } else {
            making.only_claims = true;
            making.add(&context.input.objects);
            Objects::ToMake(Written::of(&context.input.objects))
        };
        let claims = std::mem::take(&mut making.claims);
        Self {
            claims,
            servers: context.servers(),
            objects,
            whole: OnceLock::new(),
            last: Mutex::default(),
            deciding: OnceLock::new(),
            resources: Arc::new(Resources::built_in()),
            living,
        }
    }

    /// Everything there is.
    fn all(&self) -> Cow<'_, [Arc<Raw>]> {
        match &self.objects {
            Objects::Made(made) => Cow::Borrowed(&made.objects),
            Objects::ToMake(written) => Cow::Owned(written.all()),
        }
    }

    fn cluster(&self, of: impl IntoIterator<Item = Arc<Raw>>) -> Cluster {
        // What stands in the cluster and in no manifest, or in one that is elsewhere. Whether node-agent is ready is in
        // the status of its DaemonSet, which no manifest has.
        let unread = [
            "daemonsets.apps",
            "storageclasses.storage.k8s.io",
            "volumesnapshotclasses.snapshot.storage.k8s.io",
            "backupstoragelocations.velero.io",
            "volumesnapshotlocations.velero.io",
        ]
        .map(|resource| (resource.to_owned(), "the manifests do not tell".to_owned()));
        let unread = match &self.living {
            None => BTreeMap::from(unread),
            Some(living) => {
                let unread = living.cluster().unread.iter();
                unread.map(|(kind, because)| (kind.info().resource(), because.clone())).collect()
            }
        };
        Cluster::new(Arc::clone(&self.resources), of, unread)
    }

    /// What a backup can hold anything of: a thousand schedules for a namespace each must not each look at all of them.
    fn reach(&self, request: &Backup) -> Arc<Cluster> {
        let named = &request.spec.included_namespaces;
        let is_name =
            |name: &String| !name.is_empty() && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '-');
        if named.is_empty() || !named.iter().all(is_name) {
            return Arc::clone(self.whole.get_or_init(|| Arc::new(self.cluster(self.all().iter().cloned()))));
        }
        let cell = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let known = last.iter().find(|(of, _)| of == named).map(|(_, cell)| Arc::clone(cell));
            known.unwrap_or_else(|| {
                last.truncate(LAST - 1);
                let cell = Shared::default();
                last.push_front((named.clone(), Arc::clone(&cell)));
                cell
            })
        };
        // Whoever else asks for the same waits for it here, and nobody for another one.
        let cluster = cell.get_or_init(|| {
            let mut within: BTreeSet<&str> = named.iter().map(String::as_str).collect();
            // There are its locations and its node-agents.
            within.extend(self.living.as_ref().map(|living| living.cluster().velero_namespace.as_str()));
            Arc::new(match &self.objects {
                Objects::Made(made) => self.cluster(made.within(&within)),
                Objects::ToMake(written) => self.cluster(written.within(&within)),
            })
        });
        Arc::clone(cluster)
    }

    /// What a backup of these manifests would hold; none where the Backup cannot be read, which other rules tell.
    pub(crate) fn select(&self, context: &Context<'_>, backup: &Object) -> Option<Selection> {
        self.taken(context, backup).map(|taken| taken.selection)
    }

    /// The same with what it was judged by.
    pub(crate) fn taken(&self, context: &Context<'_>, backup: &Object) -> Option<Taken> {
        // Of a command that hangs on variables nobody knows it.
        let spec = Path::keys(if backup.kind == Some(Kind::Schedule) { "spec.template" } else { "spec" });
        if !DECIDE.iter().all(|field| backup.knows(&spec.clone().key(*field))) {
            return None;
        }
        let (request, server) = self.request(context, backup)?;
        // What Velero refuses as a whole is for the rules about that.
        let cluster = self.reach(&request);
        let selection = select(&cluster, &request, &server);
        selection.refused.is_empty().then(|| Taken { selection, cluster, request, pods: OnceLock::new() })
    }

    /// What makes Velero refuse a backup as a whole, as its locations and namespaces are now.
    pub(crate) fn refusals(&self, context: &Context<'_>, backup: &Object) -> Vec<Reason> {
        let Some((request, server)) = self.request(context, backup) else { return Vec::new() };
        let cluster = self.deciding.get_or_init(|| {
            let kinds = ["BackupStorageLocation", "VolumeSnapshotLocation", "Namespace"];
            let decides = |object: &&Arc<Raw>| object.str_at("/kind").is_some_and(|kind| kinds.contains(&kind));
            self.cluster(self.all().iter().filter(decides).cloned())
        });
        select(cluster, &request, &server).refused
    }

    /// A backup and who would make it; none where what decides is not known.
    fn request(&self, context: &Context<'_>, backup: &Object) -> Option<(Backup, Server)> {
        let mut request = Backup::of(&backup.loose()).ok()?;
        if let Some(name) = request.spec.policy_name() {
            request.policies = policies(context, name, backup.raw.namespace())?;
        }
        let namespace = backup.raw.namespace().unwrap_or("velero");
        let Some(living) = &self.living else {
            let plain = || Server::plain(context.velero.select(), namespace);
            let mut server = server_of(&self.servers, backup).cloned().unwrap_or_else(plain);
            namespace.clone_into(&mut server.namespace);
            server.csi = true;
            return Some((request, server));
        };
        let mut server = server_of(&self.servers, backup).cloned().filter(|_| !living.is_blind())?;
        living.cluster().velero_namespace.clone_into(&mut server.namespace);
        if let Some(name) = &server.global_policies_name {
            server.global_policies = policies(context, name, Some(&server.namespace))?;
        }
        Some((request, server))
    }
}

/// The policies of a ConfigMap. Beside a cluster those that were not read decide what nobody knows: then there are none.
fn policies(context: &Context<'_>, name: &str, namespace: Option<&str>) -> Option<Policies> {
    let mut all = context.seen(Kind::ConfigMap);
    let found = all.find(|config| config.name() == name && config.raw.namespace() == namespace);
    let read = found.and_then(one_key).map(Policies::Read);
    let Some(cluster) = &context.input.live else { return Some(read.unwrap_or(Policies::NotRead)) };
    let unreadable = || Policies::Unreadable("it has not one key with YAML".to_owned());
    match found {
        Some(_) => Some(read.unwrap_or_else(unreadable)),
        None => (!cluster.unread.contains_key(&Kind::ConfigMap)).then_some(Policies::Missing),
    }
}

/// The value of a policy ConfigMap's one key.
fn one_key(config: &Object) -> Option<Value> {
    let data = config.raw.at("/data")?.as_object()?;
    let text = data.values().next().filter(|_| data.len() == 1)?.as_str()?;
    let document = dr_yaml::read(&dr_yaml::Text::from(text)).documents.into_iter().next()?;
    document.tree.ok()?.value().ok()
}

/// `spec.hooks.resources[0].name` as steps.
pub(crate) fn path(field: &str) -> Path {
    let mut steps = Vec::new();
    for part in field.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
            steps.push(Step::Key(key.to_owned()));
        }
        for piece in pieces {
            let inside = piece.trim_end_matches(']');
            steps.push(match inside.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(inside.trim_matches(['"', '\'']).to_owned()),
            });
        }
    }
    Path(steps)
}
