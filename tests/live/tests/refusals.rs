//! What is refused before any change: exit 3, the reason, and how to go on.

use dr_live::{By, Class, Shop, node, state, until};

const APPLICATION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: applications.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {kind: Application, plural: applications, singular: application}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

const APPLICATION_OBJECT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: @namespace@}
spec: {destination: {namespace: @namespace@}, syncPolicy: {automated: {selfHeal: true}}}
";

/// The command ends with 3, says why, and neither the namespace nor Velero has seen anything of it.
fn refused(shop: &Shop<'_>, args: &[&str], says: &str) {
    let runs = || {
        shop.node.kubectl(&[
            "get",
            "configmaps,restores.velero.io",
            "-n",
            "velero",
            "-l",
            "kubectl-dr/operation",
            "-o",
            "name",
        ])
    };
    let (before, recorded) = (state(shop.node, &shop.namespace), runs());
    shop.node.dr(args).exits(3).says(says);
    assert_eq!(state(shop.node, &shop.namespace), before, "{args:?}");
    assert_eq!(runs(), recorded, "{args:?}");
    assert!(shop.staging().is_empty(), "{args:?}");
}

#[test]
#[ignore = "long: not yet seen green on the node as a whole"]
fn what_cannot_be_done_is_refused_before_any_change() {
    let node = node!();
    let shop = Shop::open(&node, "live-refused", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let ns = shop.namespace.clone();
    let restore = ["restore", "--ns", &ns, "--yes"];

    refused(&shop, &restore, "backup");
    node.dr(&["restore", "--ns", "live-refusd", "--yes"]).exits(3);

    let backup = shop.back_up();
    let near = format!("{}x", &backup);
    refused(&shop, &["restore", "--ns", &ns, "--yes", "--from", &near], &backup);
    refused(&shop, &["restore", "--ns", &ns], "--yes");
    node.dr(&["restore", "--ns", &ns, "--yes", "--context", "elsewhere"]).exits(3).says("elsewhere");
    node.dr(&["restore", "--ns", &ns, "--frm", &backup]).exits(2).says("--from");
    node.dr(&["restore", "--ns", &ns, "--context", "a", "--context", "b"]).exits(2);

    // A dry run changes nothing and ends well.
    let before = state(&node, &ns);
    node.dr(&["restore", "--ns", &ns, "--dry-run"]).exits(0).says("quiesce");
    assert_eq!(state(&node, &ns), before);

    // A plan that was cut in half, and one whose facts have changed.
    let plan = node.dr(&["restore", "plan", "--ns", &ns, "-o", "json"]).exits(0);
    let file = node.home().join("plan.json");
    let file = file.to_string_lossy();
    std::fs::write(&*file, &plan.stdout[..plan.stdout.len() / 2]).expect("write half a plan");
    let half = node.dr(&["restore", "apply", &file, "--yes"]);
    assert!(matches!(half.code, Some(2 | 3)), "{:?}\n{}", half.code, half.told());
    std::fs::write(&*file, &plan.stdout).expect("write the plan");
    node.kubectl(&["scale", "-n", &ns, "deployment/catalog", "--replicas=1"]);
    refused(&shop, &["restore", "apply", &file, "--yes"], "catalog");
    node.kubectl(&["scale", "-n", &ns, "deployment/catalog", "--replicas=2"]);

    // Who scales back: an application that Argo CD syncs by itself. Its CRD and the object suffice.
    node.apply(APPLICATION);
    node.kubectl(&["wait", "--for=condition=established", "crd/applications.argoproj.io", "--timeout=30s"]);
    node.apply(&APPLICATION_OBJECT.replace("@namespace@", &ns));
    until("the application is there", 30, || {
        node.try_kubectl(&["get", "applications.argoproj.io", "-A"]).status.success().then_some(())
    });
    refused(&shop, &restore, "Argo CD");
    node.kubectl(&["delete", "crd", "applications.argoproj.io"]);

    // A claim that is on its way out.
    node.kubectl(&["delete", "pvc", "data-postgres-0", "-n", &ns, "--wait=false"]);
    until("the claim is being deleted", 10, || {
        (!shop.claim()["metadata"]["deletionTimestamp"].is_null()).then_some(())
    });
    refused(&shop, &restore, "deleted");
}

#[test]
#[ignore = "long: not yet green as a whole"]
fn a_backup_that_is_gone_from_the_object_store_is_no_backup() {
    let node = node!();
    let shop = Shop::open(&node, "live-lost", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let backup = shop.back_up();
    for file in node.bucket(&format!("backups/{backup}")) {
        std::fs::remove_file(file).expect("delete from the bucket");
    }
    refused(&shop, &["restore", "--ns", &shop.namespace, "--yes", "--from", &backup], &backup);
}

#[test]
#[ignore = "long: not yet green as a whole"]
fn a_set_that_deletes_its_claims_when_scaled_down_keeps_its_disk() {
    let node = node!();
    let shop = Shop::open(&node, "live-scaled", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let ns = &shop.namespace;
    let policy = r#"{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Delete","whenDeleted":"Delete"}}}"#;
    node.kubectl(&["patch", "statefulset", "postgres", "-n", ns, "--type=merge", "-p", policy]);
    shop.back_up();
    let old = shop.volume();
    shop.drop_books();
    shop.restore(&[]).exits(0);
    shop.wait_until_open();
    assert_eq!(shop.table("books").rows, 1000);
    let kept = node.get(&["pv", &old]);
    assert_eq!(kept["status"]["phase"], "Released");
    let handle = kept["spec"]["csi"]["volumeHandle"].as_str().expect("a handle");
    assert!(node.dir().join("csi/csi.dr.test/volumes").join(handle).exists(), "the disk itself is still there");
    let set = node.get(&["statefulset", "postgres", "-n", ns]);
    assert_eq!(set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"], "Delete", "given back");
}

#[test]
#[ignore = "long: not yet green as a whole"]
fn no_secret_is_told_anywhere() {
    let node = node!();
    let shop = Shop::open(&node, "live-secret", By::Files, Class::WaitForFirstConsumer, 1);
    let secret = dr_live::password(&shop.namespace);
    shop.back_up();
    shop.drop_books();
    let loud = node.dr(&["restore", "--ns", &shop.namespace, "--yes", "-v=9"]).exits(0);
    assert!(!loud.told().contains(&secret), "the password is in what the command prints");
    for args in [
        &["get", "configmaps,events,leases,restores.velero.io", "-n", "velero", "-o", "yaml"][..],
        &["get", "events,configmaps", "-n", &shop.namespace, "-o", "yaml"][..],
    ] {
        let text = node.kubectl(args);
        assert!(!text.contains(&secret), "the password is in {args:?}");
    }
    // Journal and plan lie compressed in the ConfigMaps: `status` is who reads them.
    let told = node.dr(&["restore", "status", "--ns", &shop.namespace, "-o", "json"]).exits(0);
    assert!(!told.told().contains(&secret));
    let listing = std::process::Command::new("grep").args(["-rlF", &secret]).arg(node.home()).output().expect("grep");
    let found = String::from_utf8_lossy(&listing.stdout);
    assert!(found.lines().all(|path| path.ends_with("manifest.yaml")), "the password is in {found}");
}
