//! The types an API server serves, and how a name in a filter finds one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One type, in its group's preferred version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub namespaced: bool,
    /// It can be listed, created, read and deleted (`pkg/discovery/helper.go:filterByVerbs` at v1.18.3).
    pub collectable: bool,
}

impl Resource {
    /// `pods`, `deployments.apps`: `schema.GroupResource.String`.
    pub fn name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// From one entry of a discovery document.
    pub fn of(group: &str, version: &str, entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let plural = text("name")?;
        if plural.contains('/') {
            return None;
        }
        let list = |key: &str| entry.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let kind = text("kind")?;
        let singular = text("singularName").filter(|name| !name.is_empty());
        let verbs: Vec<&str> = list("verbs").collect();
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: singular.map_or_else(|| kind.to_lowercase(), str::to_owned),
            short_names: list("shortNames").map(str::to_owned).collect(),
            namespaced: entry.get("namespaced")?.as_bool()?,
            collectable: ["list", "create", "get", "delete"].iter().all(|verb| verbs.contains(verb)),
        })
    }
}

/// All of them, in the order of discovery: Velero collects in it, and an ambiguous name finds the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resources(pub Vec<Resource>);

impl Resources {
    /// The types of Kubernetes 1.34, Velero and CSI snapshots, for manifests that are judged without a cluster.
    /// A type of a `CustomResourceDefinition` is added with [`Resources::add`].
    pub fn built_in() -> Self {
        let mut resources = Self::default();
        for (group, version, types) in BUILT_IN {
            for line in types.split_ascii_whitespace() {
                let mut words = line.split(',');
                let (Some(kind), Some(plural), Some(scope)) = (words.next(), words.next(), words.next()) else {
                    continue;
                };
                resources.0.push(Resource {
                    group: (*group).to_owned(),
                    version: (*version).to_owned(),
                    kind: kind.to_owned(),
                    plural: plural.to_owned(),
                    singular: kind.to_lowercase(),
                    short_names: words.map(str::to_owned).collect(),
                    namespaced: scope == "n",
                    collectable: true,
                });
            }
        }
        resources
    }

    /// The type a `CustomResourceDefinition` adds.
    pub fn add(&mut self, definition: &crate::object::Object) {
        let served = definition.list_at("/spec/versions").iter();
        let version = served.clone().find(|version| version.get("served").and_then(Value::as_bool) == Some(true));
        let (Some(group), Some(version), Some(kind), Some(plural)) = (
            definition.str_at("/spec/group"),
            version.and_then(|version| version.get("name")?.as_str()),
            definition.str_at("/spec/names/kind"),
            definition.str_at("/spec/names/plural"),
        ) else {
            return;
        };
        if self.0.iter().any(|known| known.group == group && known.plural == plural) {
            return;
        }
        let short = definition.list_at("/spec/names/shortNames").iter().filter_map(Value::as_str);
        self.0.push(Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: definition.str_at("/spec/names/singular").map_or_else(|| kind.to_lowercase(), str::to_owned),
            short_names: short.map(str::to_owned).collect(),
            namespaced: definition.str_at("/spec/scope") != Some("Cluster"),
            collectable: true,
        });
    }

    /// The type a kind belongs to; the version is not compared.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<usize> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.0.iter().position(|resource| resource.group == group && resource.kind == kind)
    }

    pub fn named(&self, name: &str) -> Option<usize> {
        let (plural, group) = name.split_once('.').unwrap_or((name, ""));
        self.0.iter().position(|resource| resource.plural == plural && resource.group == group)
    }

    /// What a name in a filter means: plural, singular, kind or short name, with or without a group, which may be cut
    /// short (`pkg/discovery/helper.go:ResourceFor` at v1.18.3, `apimachinery/pkg/api/meta/restmapper.go`).
    /// What cannot be collected is not found either.
    pub fn resolve(&self, name: &str) -> Option<&Resource> {
        let (text, group) = name.split_once('.').map_or((name, None), |(text, group)| (text, Some(group)));
        let short = self.0.iter().find(|resource| {
            resource.collectable
                && resource.short_names.iter().any(|short| short == text)
                && group.is_none_or(|group| resource.group.starts_with(group))
        });
        let text = short.map_or_else(|| text.to_lowercase(), |resource| resource.plural.clone());
        let group = group.or(short.map(|resource| resource.group.as_str()));
        let is_it = |resource: &&Resource| resource.plural == text || resource.singular == text;
        let named = || self.0.iter().filter(is_it);
        let found = match group {
            None => named().next(),
            Some(group) => {
                let exact = named().find(|resource| resource.group == group);
                exact.or_else(|| named().find(|resource| resource.group.starts_with(group)))
            }
        };
        found.filter(|resource| resource.collectable)
    }
}

/// Kind, plural, scope and short names, in an API server's order of groups.
const BUILT_IN: &[(&str, &str, &str)] = &[
    (
        "",
        "v1",
        "Pod,pods,n,po PersistentVolumeClaim,persistentvolumeclaims,n,pvc PersistentVolume,persistentvolumes,c,pv \
         ConfigMap,configmaps,n,cm Endpoints,endpoints,n,ep Event,events,n,ev LimitRange,limitranges,n,limits \
         Namespace,namespaces,c,ns Node,nodes,c,no PodTemplate,podtemplates,n \
         ReplicationController,replicationcontrollers,n,rc ResourceQuota,resourcequotas,n,quota Secret,secrets,n \
         ServiceAccount,serviceaccounts,n,sa Service,services,n,svc",
    ),
    ("apiregistration.k8s.io", "v1", "APIService,apiservices,c"),
    (
        "apps",
        "v1",
        "ControllerRevision,controllerrevisions,n DaemonSet,daemonsets,n,ds Deployment,deployments,n,deploy \
         ReplicaSet,replicasets,n,rs StatefulSet,statefulsets,n,sts",
    ),
    ("events.k8s.io", "v1", "Event,events,n,ev"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler,horizontalpodautoscalers,n,hpa"),
    ("batch", "v1", "CronJob,cronjobs,n,cj Job,jobs,n"),
    ("certificates.k8s.io", "v1", "CertificateSigningRequest,certificatesigningrequests,c,csr"),
    (
        "networking.k8s.io",
        "v1",
        "IngressClass,ingressclasses,c Ingress,ingresses,n,ing IPAddress,ipaddresses,c,ip \
         NetworkPolicy,networkpolicies,n,netpol ServiceCIDR,servicecidrs,c",
    ),
    ("policy", "v1", "PodDisruptionBudget,poddisruptionbudgets,n,pdb"),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRoleBinding,clusterrolebindings,c ClusterRole,clusterroles,c RoleBinding,rolebindings,n Role,roles,n",
    ),
    (
        "storage.k8s.io",
        "v1",
        "CSIDriver,csidrivers,c CSINode,csinodes,c CSIStorageCapacity,csistoragecapacities,n \
         StorageClass,storageclasses,c,sc VolumeAttachment,volumeattachments,c \
         VolumeAttributesClass,volumeattributesclasses,c,vac",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration,mutatingwebhookconfigurations,c \
         ValidatingAdmissionPolicy,validatingadmissionpolicies,c \
         ValidatingAdmissionPolicyBinding,validatingadmissionpolicybindings,c \
         ValidatingWebhookConfiguration,validatingwebhookconfigurations,c",
    ),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition,customresourcedefinitions,c,crd,crds"),
    ("scheduling.k8s.io", "v1", "PriorityClass,priorityclasses,c,pc"),
    ("coordination.k8s.io", "v1", "Lease,leases,n"),
    ("node.k8s.io", "v1", "RuntimeClass,runtimeclasses,c"),
    ("discovery.k8s.io", "v1", "EndpointSlice,endpointslices,n"),
    (
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "FlowSchema,flowschemas,c PriorityLevelConfiguration,prioritylevelconfigurations,c",
    ),
    (
        "snapshot.storage.k8s.io",
        "v1",
        "VolumeSnapshotClass,volumesnapshotclasses,c,vsclass,vsclasses \
         VolumeSnapshotContent,volumesnapshotcontents,c,vsc,vscs VolumeSnapshot,volumesnapshots,n,vs",
    ),
    (
        "velero.io",
        "v1",
        "BackupRepository,backuprepositories,n Backup,backups,n \
         BackupStorageLocation,backupstoragelocations,n,bsl DeleteBackupRequest,deletebackuprequests,n \
         DownloadRequest,downloadrequests,n PodVolumeBackup,podvolumebackups,n PodVolumeRestore,podvolumerestores,n \
         Restore,restores,n Schedule,schedules,n ServerStatusRequest,serverstatusrequests,n,ssr \
         VolumeSnapshotLocation,volumesnapshotlocations,n,vsl",
    ),
];
