//! What a plan is refused for: each with exactly its reason and the way on.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    unreachable_pub,
    reason = "a test that panics has failed, which is what it is for"
)]

mod common;

use common::{Bookstore, By};
use dr_core::facts::Listed;
use dr_core::kind::Kind;
use serde_json::{Value, json};

#[track_caller]
fn refused_by(by: By, expected: &str, change: impl FnOnce(&mut Bookstore)) {
    let mut bookstore = Bookstore::new(by);
    change(&mut bookstore);
    let refusal = bookstore.compute().expect_err("nothing was refused");
    assert_eq!(refusal.to_string(), expected);
}

#[track_caller]
fn refused(expected: &str, change: impl FnOnce(&mut Bookstore)) {
    refused_by(By::Files, expected, change);
}

#[test]
fn a_namespace_that_is_terminating() {
    refused(
        "namespace bookstore: it is being deleted\n  wait until it is gone (kubectl get namespace), then restore it whole",
        |b| b.set(Kind::Namespace, "bookstore", "/metadata/deletionTimestamp", json!("2026-01-02T11:59:00Z")),
    );
}

#[test]
fn a_claim_that_is_terminating_with_the_way_to_rescue_its_volume() {
    refused(
        "claim data-postgres-0: it is being deleted, and its volume may go with it\n  rescue the volume first: kubectl patch \
         pv pv-old --type merge -p '{\"spec\":{\"persistentVolumeReclaimPolicy\":\"Retain\"}}', then delete the pods that \
         mount the claim and try again",
        |b| {
            let at = json!("2026-01-02T11:59:00Z");
            b.set(Kind::PersistentVolumeClaim, "data-postgres-0", "/metadata/deletionTimestamp", at);
        },
    );
}

#[test]
fn a_claim_that_is_not_bound() {
    refused(
        "claim data-postgres-0: it is Pending, not bound to a volume\n  delete it if it holds nothing (kubectl -n bookstore \
         delete pvc data-postgres-0), then try again",
        |b| b.set(Kind::PersistentVolumeClaim, "data-postgres-0", "/status/phase", json!("Pending")),
    );
}

#[test]
fn a_storage_class_that_does_not_exist() {
    refused(
        "claim data-postgres-0: its storage class csi does not exist in this cluster\n  create the class, or leave the claim \
         out with --leave",
        |b| b.remove(Kind::StorageClass, "csi"),
    );
}

#[test]
fn velero_that_is_not_available_or_not_there() {
    refused("velero: its server is not available\n  kubectl -n velero get deployment,pods", |b| {
        b.set(Kind::Deployment, "velero", "/status/availableReplicas", json!(0));
    });
    refused("velero: its Deployment is not in its namespace\n  name the namespace: --velero-namespace", |b| {
        b.remove(Kind::Deployment, "velero");
    });
}

#[test]
fn a_file_copy_without_a_node_agent() {
    refused("node-agent: it is not installed, so no files can be restored\n  velero install --use-node-agent", |b| {
        b.remove(Kind::DaemonSet, "node-agent");
    });
    refused("node-agent: no node-agent is ready, so no files can be restored\n  look at its pods", |b| {
        b.set(Kind::DaemonSet, "node-agent", "/status/numberReady", json!(0));
    });
}

#[test]
fn a_snapshot_without_veleros_csi_feature() {
    refused_by(
        By::Snapshot,
        "velero: its server runs without --features=EnableCSI and would restore empty volumes\n  add --features=EnableCSI to \
         its arguments",
        |b| b.set(Kind::Deployment, "velero", "/spec/template/spec/containers/0/args", json!(["server"])),
    );
}

#[test]
fn another_restore_that_velero_is_at() {
    refused(
        "restore other: it is InProgress, and Velero restores one after the other\n  wait for it: kubectl -n velero get \
         restore other -w",
        |b| {
            let metadata = json!({ "name": "other", "namespace": "velero" });
            b.add(Kind::Restore, json!({ "metadata": metadata, "status": { "phase": "InProgress" } }));
        },
    );
}

#[test]
fn keda_that_would_scale_a_writer_back() {
    refused(
        "scaledobject orders: KEDA would scale orders back up while its volume is exchanged\n  pause it: kubectl -n bookstore \
         annotate scaledobject orders autoscaling.keda.sh/paused-replicas=0",
        |b| {
            let metadata = json!({ "name": "orders", "namespace": "bookstore" });
            b.add(
                Kind::ScaledObject,
                json!({ "metadata": metadata, "spec": { "scaleTargetRef": { "name": "orders" } } }),
            );
        },
    );
}

#[test]
fn an_argo_cd_application_that_syncs_by_itself() {
    refused(
        "application argocd/shop: Argo CD syncs it automatically and would undo every step within seconds\n  pause it, and the \
         application that owns it if there is one: kubectl -n argocd patch application shop --type merge -p \
         '{\"spec\":{\"syncPolicy\":{\"automated\":null}}}'",
        |b| {
            let spec = json!({ "destination": { "namespace": "bookstore" }, "syncPolicy": { "automated": {} } });
            b.add(Kind::Application, json!({ "metadata": { "name": "shop", "namespace": "argocd" }, "spec": spec }));
        },
    );
}

#[test]
fn flux_owners_that_are_not_suspended() {
    for (kind, what, group) in [
        (Kind::Kustomization, "kustomization", "kustomize.toolkit.fluxcd.io"),
        (Kind::HelmRelease, "helmrelease", "helm.toolkit.fluxcd.io"),
    ] {
        let expected = format!(
            "{what} flux-system/apps: Flux reconciles it and would undo every step at its next interval\n  pause it: flux \
             suspend {what} apps -n flux-system"
        );
        let owned = |b: &mut Bookstore| {
            let labels = json!({ format!("{group}/name"): "apps", format!("{group}/namespace"): "flux-system" });
            b.set(Kind::Deployment, "orders", "/metadata/labels", labels);
            b.add(kind, json!({ "metadata": { "name": "apps", "namespace": "flux-system" }, "spec": {} }));
        };
        refused(&expected, owned);
        let mut suspended = Bookstore::new(By::Files);
        owned(&mut suspended);
        suspended.set(kind, "apps", "/spec/suspend", json!(true));
        suspended.plan();
    }
}

#[test]
fn an_operators_workload() {
    refused(
        "statefulset postgres: it belongs to Cluster main, whose operator would scale it back\n  stop it the way its operator \
         offers, or leave its claims out with --leave; then try again",
        |b| {
            let owner = json!({ "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "main", "uid": "u", "controller": true });
            b.set(Kind::StatefulSet, "postgres", "/metadata/ownerReferences", json!([owner]));
        },
    );
}

/// Arguments appended to `sh -c …` are the shell's: the staged engine would archive into the real archive.
#[test]
fn an_engine_that_is_started_by_a_shell() {
    let container = "/spec/template/spec/containers/0";
    for (field, words) in [
        ("command", json!(["sh", "-c", "exec postgres"])),
        ("command", json!(["/bin/bash", "-c", "docker-entrypoint.sh postgres"])),
        ("args", json!(["/bin/sh", "-c", "exec postgres"])),
        ("command", json!(["/bin/busybox", "sh", "-c", "exec postgres"])),
    ] {
        refused(
            "claim data-postgres-0: container postgres starts postgres through a shell, so the staged copy could not be kept \
             from archiving\n  start the engine by the image's own entry point, or leave the claim out with --leave",
            |b| b.set(Kind::StatefulSet, "postgres", &format!("{container}/{field}"), words),
        );
    }
    for (field, words) in [
        ("command", json!(["docker-entrypoint.sh", "postgres"])),
        ("args", json!(["postgres", "-c", "shared_buffers=1GB"])),
        ("args", json!(["-c", "shared_buffers=1GB"])),
    ] {
        let mut bookstore = Bookstore::new(By::Files);
        bookstore.set(Kind::StatefulSet, "postgres", &format!("{container}/{field}"), words);
        bookstore.plan();
    }
}

#[test]
fn a_finished_pod_that_still_mounts_the_claim() {
    refused(
        "pod migrate-x: it has succeeded and still holds data-postgres-0: a finished pod keeps its claim from being \
         deleted\n  delete it: kubectl -n bookstore delete pod migrate-x",
        |b| {
            let volumes = json!([{ "name": "d", "persistentVolumeClaim": { "claimName": "data-postgres-0" } }]);
            b.add(
                Kind::Pod,
                json!({ "metadata": { "name": "migrate-x", "namespace": "bookstore" }, "spec": { "volumes": volumes },
                        "status": { "phase": "Succeeded" } }),
            );
        },
    );
}

#[test]
fn a_secret_the_engine_needs_that_is_not_there() {
    refused(
        "secret postgres: the pods that open the volume need it and it is not in the namespace\n  create it again (it may be in \
         the backup: --objects missing), then try again",
        |b| b.remove(Kind::Secret, "postgres"),
    );
}

#[test]
fn whatever_may_not_be_read_and_is_needed() {
    for kind in [Kind::Pod, Kind::StorageClass, Kind::ResourceQuota, Kind::Application, Kind::PersistentVolume] {
        let resource = kind.info().resource();
        let expected = format!(
            "facts: cannot list {resource}: {resource} is forbidden\n  the rights that are needed are in docs/rbac; without \
             them the plan would rest on a guess"
        );
        refused(&expected, |b| {
            b.facts.objects.insert(kind, Listed::Forbidden(format!("{resource} is forbidden")));
        });
    }
}

#[test]
fn every_reason_at_once() {
    let mut bookstore = Bookstore::new(By::Files);
    bookstore.set(Kind::Deployment, "velero", "/status/availableReplicas", json!(0));
    bookstore.remove(Kind::StorageClass, "csi");
    bookstore.set(Kind::Namespace, "bookstore", "/metadata/deletionTimestamp", Value::from("2026-01-02T11:59:00Z"));
    let refusal = bookstore.compute().expect_err("nothing was refused");
    let subjects: Vec<&str> = refusal.reasons.iter().map(|reason| reason.subject.as_str()).collect();
    assert_eq!(subjects, ["namespace bookstore", "claim data-postgres-0", "velero"]);
}
