//! Names of fields.

use std::fmt;

/// The name of a field. Most names stand in every manifest, and are there once.
#[derive(Clone, PartialEq)]
pub struct Key(Name);

#[derive(Clone, PartialEq)]
enum Name {
    Common(&'static &'static str),
    Own(Box<str>),
}

impl Key {
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Common(name) => name,
            Name::Own(name) => name,
        }
    }
}

impl From<String> for Key {
    fn from(name: String) -> Self {
        let common = COMMON.binary_search(&name.as_str()).ok().and_then(|at| COMMON.get(at));
        Self(common.map_or_else(|| Name::Own(name.into()), Name::Common))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Names of fields that Velero's manifests and those of workloads have, in order.
static COMMON: [&str; 137] = [
    "accessModes",
    "action",
    "annotations",
    "apiVersion",
    "app",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
    "args",
    "backupName",
    "backupStorageLocation",
    "bucket",
    "caCert",
    "claimName",
    "clusterIP",
    "command",
    "config",
    "configMap",
    "configMapKeyRef",
    "configMapRef",
    "container",
    "containerPort",
    "containers",
    "cpu",
    "csiSnapshotTimeout",
    "data",
    "default",
    "defaultVolumesToFsBackup",
    "driver",
    "emptyDir",
    "env",
    "envFrom",
    "excludedNamespaces",
    "excludedResources",
    "exec",
    "existingResourcePolicy",
    "failureThreshold",
    "fieldRef",
    "fsGroup",
    "hooks",
    "httpGet",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "includeClusterResources",
    "includedNamespaces",
    "includedResources",
    "initContainers",
    "initialDelaySeconds",
    "items",
    "key",
    "kind",
    "labelSelector",
    "labels",
    "limits",
    "livenessProbe",
    "matchExpressions",
    "matchLabels",
    "medium",
    "memory",
    "metadata",
    "mountPath",
    "name",
    "namespace",
    "namespaceMapping",
    "objectStorage",
    "onError",
    "operator",
    "optional",
    "orLabelSelectors",
    "orderedResources",
    "path",
    "paused",
    "periodSeconds",
    "persistentVolumeClaim",
    "podManagementPolicy",
    "podSelector",
    "port",
    "ports",
    "post",
    "pre",
    "prefix",
    "protocol",
    "provider",
    "readOnly",
    "readinessProbe",
    "region",
    "replicas",
    "requests",
    "resourcePolicy",
    "resources",
    "restartPolicy",
    "restorePVs",
    "rules",
    "runAsNonRoot",
    "runAsUser",
    "schedule",
    "secret",
    "secretKeyRef",
    "secretName",
    "securityContext",
    "selector",
    "serviceAccountName",
    "serviceName",
    "snapshotLocation",
    "snapshotMoveData",
    "snapshotVolumes",
    "spec",
    "status",
    "storage",
    "storageClassName",
    "storageLocation",
    "subPath",
    "successThreshold",
    "targetPort",
    "tcpSocket",
    "template",
    "terminationGracePeriodSeconds",
    "timeout",
    "timeoutSeconds",
    "ttl",
    "type",
    "updateStrategy",
    "useOwnerReferencesInBackup",
    "value",
    "valueFrom",
    "volumeClaimTemplates",
    "volumeMode",
    "volumeMounts",
    "volumeName",
    "volumePolicies",
    "volumeSnapshotClassName",
    "volumeSnapshotLocations",
    "volumes",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_in_order_and_there_once() {
        assert!(COMMON.is_sorted_by(|a, b| a < b));
        assert!(matches!(Key::from("spec".to_owned()).0, Name::Common(name) if *name == "spec"));
        assert!(matches!(Key::from("mine".to_owned()).0, Name::Own(name) if &*name == "mine"));
    }
}
