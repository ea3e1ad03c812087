//! Rules about the data of volumes.

use dr_live::refused::PutBack;
use dr_live::until;

use super::seen::data;
use super::truth::{On, Rule, Truths, all, backup, text};

/// What the files of a folder that lives with its pod are copied by.
const FILES: &str = "includedNamespaces: [@ns@]\nsnapshotVolumes: false";

/// A Deployment of one pod with an emptyDir; what is added to its metadata and to its pods'.
pub(super) fn deployment(own: &str, pods: &str) -> String {
    format!(
        r"apiVersion: apps/v1
kind: Deployment
metadata: {{name: truth-sleeper, namespace: @ns@, labels: {{app: truth-sleeper}}, annotations: {{{own}}}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: truth-sleeper}}}}
  template:
    metadata: {{labels: {{app: truth-sleeper}}, annotations: {{{pods}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      securityContext: {{runAsNonRoot: true, runAsUser: 999, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
      - name: sleeper
        image: docker.io/library/postgres:15
        imagePullPolicy: IfNotPresent
        command: [sleep, infinity]
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
        volumeMounts: [{{name: scratch, mountPath: /scratch}}]
      volumes: [{{name: scratch, emptyDir: {{}}}}]"
    )
}

/// The Deployment is applied first: a backup takes pods as they are.
pub(super) fn with_the_deployment(on: &On<'_>, look: impl Fn(&On<'_>) -> String) -> String {
    let label = ["-n", on.namespace(), "-l", "app=truth-sleeper"];
    on.node().kubectl(&["apply", "-f", &on.file(), "-l", "app=truth-sleeper"]);
    on.node().kubectl(&["rollout", "status", "deployment/truth-sleeper", "-n", on.namespace(), "--timeout=90s"]);
    let seen = look(on);
    on.node().kubectl(&["delete", "deployment", "truth-sleeper", "-n", on.namespace(), "--timeout=60s"]);
    until("its pod is gone", 60, || {
        let pods = on.node().get(&[&["pods"], label.as_slice()].concat());
        pods["items"].as_array().is_none_or(Vec::is_empty).then_some(())
    });
    seen
}

pub(super) fn copied(on: &On<'_>) -> String {
    let phase = text(&on.backed_up(), "/status/phase").to_owned();
    let files = if on.copies() == 0 { "no file is copied" } else { "the files are copied" };
    format!("{phase}, {files}")
}

pub(super) fn rules(truths: &mut Truths<'_, '_>) {
    let of = |id: &str, wrong: &str, right: &str, truths: &mut Truths<'_, '_>| {
        let whole = "includedNamespaces: [@ns@]\n";
        let (wrong, right) = (backup(&format!("{whole}{wrong}")), backup(&format!("{whole}{right}")));
        truths.rule(&Rule { id, beside: "", wrong: &wrong, right: &right }, data);
    };
    let files = "snapshotVolumes: false\ndefaultVolumesToFsBackup: true\n";
    of("file-backup-without-pods", &format!("{files}excludedResources: [pods]"), files, truths);
    of("snapshots-off", "snapshotVolumes: false", files, truths);
    of("move-without-snapshots", "snapshotVolumes: false\nsnapshotMoveData: true", "snapshotMoveData: true", truths);
    let set = r"apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres, namespace: @ns@, labels: {app: postgres}}
spec:
  serviceName: postgres
  selector: {matchLabels: {app: postgres}}
  template:
    metadata: {labels: {app: postgres}}
    spec: {containers: [{name: postgres, image: 'docker.io/library/postgres:15', volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: csi-wffc, resources: {requests: {storage: 2Gi}}}";
    let wrong = backup("includedNamespaces: [@ns@]\nincludedResources: [statefulsets, services, secrets]");
    let right = backup(
        "includedNamespaces: [@ns@]\nincludedResources: [statefulsets, services, secrets, persistentvolumeclaims, persistentvolumes]",
    );
    truths.rule(&Rule { id: "volume-left-out", beside: set, wrong: &wrong, right: &right }, data);
    annotations(truths);
    classes(truths);
}

fn annotations(truths: &mut Truths<'_, '_>) {
    let spec = backup(FILES);
    let named = |name: &str| format!("backup.velero.io/backup-volumes: {name}");
    let right = all(&[&deployment("", &named("scratch")), &spec]);
    let wrong = all(&[&deployment(&named("scratch"), ""), &spec]);
    let rule = Rule { id: "annotation-on-the-controller", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| with_the_deployment(on, copied));
    let wrong = all(&[&deployment("", &named("scrach")), &spec]);
    let rule = Rule { id: "unknown-volume-in-annotation", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| with_the_deployment(on, copied));
}

fn classes(truths: &mut Truths<'_, '_>) {
    let node = truths.shop.node;
    let class = node.get(&["volumesnapshotclass", "csi"]);
    let driver = text(&class, "/driver").to_owned();
    let class = |name: &str, labels: &str| {
        format!(
            "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n\
             driver: {driver}\ndeletionPolicy: Delete"
        )
    };
    let spec = backup("includedNamespaces: [@ns@]");
    let labelled = class("truth-one", "velero.io/csi-volumesnapshot-class: \"true\"");
    let wrong = all(&[&class("truth-one", ""), &class("truth-two", ""), &spec]);
    let right = all(&[&labelled, &class("truth-two", ""), &spec]);
    let rule = Rule { id: "snapshot-class-ambiguous", beside: "", wrong: &wrong, right: &right };
    truths.rule(&rule, |on| {
        let _back = PutBack::keep(on.node(), &["volumesnapshotclass", "csi"]);
        on.node().kubectl(&["delete", "volumesnapshotclass", "csi"]);
        data(on)
    });
}
