//! A restore that has no room is refused before anything is made.

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

/// The claim asks for 1Gi, live and in the backup.
fn bookstore(change: impl FnOnce(&mut Bookstore)) -> Bookstore {
    let mut bookstore = Bookstore::new(By::Files);
    change(&mut bookstore);
    bookstore
}

#[track_caller]
fn refused(expected: &str, change: impl FnOnce(&mut Bookstore)) {
    let refusal = bookstore(change).compute().expect_err("nothing was refused");
    assert_eq!(refusal.to_string(), expected);
}

#[track_caller]
fn planned(change: impl FnOnce(&mut Bookstore)) -> Vec<String> {
    bookstore(change).plan().warnings
}

fn quota(hard: Value, used: Value) -> impl FnOnce(&mut Bookstore) {
    move |bookstore| {
        let metadata = json!({ "name": "storage", "namespace": "bookstore" });
        bookstore.add(
            Kind::ResourceQuota,
            json!({ "metadata": metadata, "spec": { "hard": hard }, "status": { "used": used } }),
        );
    }
}

const RAISE: &str = "raise it for the restore (kubectl -n bookstore edit resourcequota storage), or restore in parts with \
                     --claim";

#[test]
fn a_quota_that_the_staged_volumes_do_not_fit_into_refuses() {
    for (hard, told) in [
        (json!({ "requests.storage": "512Mi" }), "requests.storage 512Mi"),
        (json!({ "persistentvolumeclaims": "0" }), "persistentvolumeclaims 0"),
        (json!({ "count/persistentvolumeclaims": 0 }), "count/persistentvolumeclaims 0"),
        (
            json!({ "csi.storageclass.storage.k8s.io/requests.storage": "1000M" }),
            "csi.storageclass.storage.k8s.io/requests.storage 1000000000",
        ),
        (
            json!({ "csi.storageclass.storage.k8s.io/persistentvolumeclaims": "0" }),
            "csi.storageclass.storage.k8s.io/persistentvolumeclaims 0",
        ),
    ] {
        let needs = if told.contains("claims") { "1" } else { "1Gi" };
        let expected = format!(
            "resourcequota storage: it allows {told}, and the volumes staged beside the live ones, under the same quota, \
             need {needs}\n  {RAISE}"
        );
        refused(&expected, quota(hard, json!({})));
    }
}

#[test]
fn a_quota_counts_from_zero_in_staging_and_only_what_is_new_in_the_source() {
    let hard = json!({ "requests.storage": "1Gi", "persistentvolumeclaims": "1" });
    let used = json!({ "requests.storage": "1Gi", "persistentvolumeclaims": "1" });
    planned(quota(hard, used));
    planned(quota(json!({ "other.storageclass.storage.k8s.io/requests.storage": "1", "pods": "1" }), json!({})));
}

#[test]
fn a_claim_that_grew_in_the_backup_must_fit_beside_the_others_of_the_namespace() {
    refused(
        &format!(
            "resourcequota storage: 9Gi of requests.storage 10Gi are used, and the restored claims need 2Gi more than \
             the live ones\n  {RAISE}"
        ),
        |bookstore| {
            archived_size(bookstore, "3Gi");
            quota(json!({ "requests.storage": "10Gi" }), json!({ "requests.storage": "9Gi" }))(bookstore);
        },
    );
}

#[test]
fn a_claim_that_is_gone_must_fit_into_what_others_have_used_meanwhile() {
    refused(
        &format!(
            "resourcequota storage: 3 of persistentvolumeclaims 3 are used, and the restored claims need 1 more than the \
             live ones\n  {RAISE}"
        ),
        |bookstore| {
            bookstore.remove(Kind::PersistentVolumeClaim, "data-postgres-0");
            quota(json!({ "persistentvolumeclaims": "3" }), json!({ "persistentvolumeclaims": "3" }))(bookstore);
        },
    );
}

#[test]
fn a_quota_with_a_scope_is_about_pods_and_refuses_nothing() {
    planned(|bookstore| {
        let spec = json!({ "hard": { "requests.storage": "1" }, "scopes": ["BestEffort"] });
        bookstore.add(
            Kind::ResourceQuota,
            json!({ "metadata": { "name": "storage", "namespace": "bookstore" }, "spec": spec }),
        );
    });
}

const CHANGE: &str = "change the limit for the restore: kubectl -n bookstore edit limitrange sizes";

#[test]
fn a_size_outside_the_limits_of_the_namespace_refuses() {
    let range = |bounds: Value| {
        move |bookstore: &mut Bookstore| {
            let mut limit = json!({ "type": "PersistentVolumeClaim" });
            limit.as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
            bookstore.add(
                Kind::LimitRange,
                json!({ "metadata": { "name": "sizes", "namespace": "bookstore" }, "spec": { "limits": [limit] } }),
            );
        }
    };
    refused(
        &format!("claim data-postgres-0: it asks for 1Gi, and limitrange sizes allows at most 500Mi\n  {CHANGE}"),
        range(json!({ "max": { "storage": "500Mi" } })),
    );
    refused(
        &format!("claim data-postgres-0: it asks for 1Gi, and limitrange sizes allows at least 2Gi\n  {CHANGE}"),
        range(json!({ "min": { "storage": "2Gi" } })),
    );
    planned(range(json!({ "max": { "storage": "1Gi" }, "min": { "storage": "1Gi" } })));
}

fn archived_size(bookstore: &mut Bookstore, size: &str) {
    let documents = bookstore.facts.documents.get_mut("nightly").unwrap();
    let dr_core::facts::Document::Read(archive) = &mut documents.archive else { panic!("no archive") };
    let claim = archive.objects.iter_mut().find(|object| object.str_at("/kind") == Some("PersistentVolumeClaim"));
    claim.unwrap().0["spec"]["resources"]["requests"]["storage"] = json!(size);
}

/// A driver that says what room it has, per node.
fn capacities(sizes: &[Value]) -> impl FnOnce(&mut Bookstore) {
    let sizes = sizes.to_vec();
    move |bookstore| {
        bookstore.set(Kind::StorageClass, "csi", "/provisioner", json!("csi.test"));
        bookstore.set(Kind::CSIDriver, "csi.test", "/spec", json!({ "storageCapacity": true }));
        for (node, size) in sizes.iter().enumerate() {
            let mut object =
                json!({ "metadata": { "name": format!("c{node}"), "namespace": "csi" }, "storageClassName": "csi" });
            object.as_object_mut().unwrap().extend(size.as_object().unwrap().clone());
            bookstore.add(Kind::CSIStorageCapacity, object);
        }
    }
}

const FREE: &str = "free some room or add storage, or restore in parts with --claim";

#[test]
fn a_volume_larger_than_the_room_on_any_node_refuses() {
    let expected = |most: &str| {
        format!(
            "claim data-postgres-0: it asks for 1Gi, and storage class csi has room for a volume of {most} at most\n  {FREE}"
        )
    };
    refused(&expected("700Mi"), capacities(&[json!({ "capacity": "700Mi" }), json!({ "capacity": "500Mi" })]));
    refused(&expected("100Mi"), capacities(&[json!({ "capacity": "5Gi", "maximumVolumeSize": "100Mi" })]));
    assert_eq!(planned(capacities(&[json!({ "capacity": "700Mi" }), json!({ "capacity": "1Gi" })])), [""; 0]);
}

#[test]
fn volumes_that_together_are_larger_than_all_the_room_refuse() {
    refused(
        &format!("storage class csi: it has 1Gi left, and the volumes staged beside the live ones need 2Gi\n  {FREE}"),
        |bookstore| {
            bookstore.second_claim();
            capacities(&[json!({ "capacity": "1Gi" })])(bookstore);
        },
    );
}

#[test]
fn a_driver_that_says_nothing_of_its_room_is_no_reason_and_said() {
    const UNKNOWN: &str = "whether storage class csi has room is not known: its driver says nothing of it";
    assert_eq!(planned(capacities(&[])), [UNKNOWN]);
    assert_eq!(planned(capacities(&[json!({ "capacity": "9Gi" }), json!({})])), [UNKNOWN]);
    let forbidden = planned(|bookstore| {
        let listed = Listed::Forbidden("csistoragecapacities.storage.k8s.io is forbidden".into());
        bookstore.facts.objects.insert(Kind::CSIStorageCapacity, listed);
    });
    assert_eq!(
        forbidden,
        ["whether there is room for the volumes is not known: cannot list csistoragecapacities.storage.k8s.io: \
          csistoragecapacities.storage.k8s.io is forbidden"]
    );
}

#[test]
fn a_size_that_nothing_tells_is_refused_and_never_guessed() {
    refused(
        "claim data-postgres-0: neither its copy in the backup nor the live claim says in bytes how large it is\n  \
         leave it out with --leave, or take another backup with --from",
        |bookstore| {
            archived_size(bookstore, "a lot");
            bookstore.set(Kind::PersistentVolumeClaim, "data-postgres-0", "/status/capacity/storage", json!("much"));
        },
    );
    planned(|bookstore| archived_size(bookstore, "a lot"));
}
