//! Applications, clusters and command lines that are refused before any change: exit 3, the reason, and how to go on.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dr_live::refused::{There, object, refused, refuses, scale_to};
use dr_live::{As, By, Cases, Class, Shop, bind_everywhere, node, state, until};
use serde_json::{Value, json};

#[test]
fn an_application_that_would_not_hold_still_is_refused_before_any_change() {
    let node = node!();
    let shop = Shop::open(&node, "live-refused", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let ns = shop.namespace.clone();
    let backup = shop.back_up();
    let mut cases = Cases::default();

    cases.case("a dry run changes nothing and ends well", || {
        let (before, recorded) = (state(&node, &ns), shop.recorded());
        node.dr(&["restore", "--ns", &ns, "--dry-run"]).exits(0).says("quiesce");
        assert_eq!((state(&node, &ns), shop.recorded()), (before, recorded));
    });
    owners(&shop, &mut cases);
    cases.case("a quota that has no room for a second volume", || {
        let mut there = There::new(&node);
        let hard = json!({ "hard": { "requests.storage": "1Gi" } });
        there.add(&object("v1", "ResourceQuota", &ns, "disks", &hard));
        refuses(&shop, &["resourcequota disks", "requests.storage"]);
    });
    cases.case("somebody else is restoring it", || {
        let mut there = There::new(&node);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time") + Duration::from_secs(30);
        let date = std::process::Command::new("date")
            .args(["-u", "-d", &format!("@{}", now.as_secs()), "+%Y-%m-%dT%H:%M:%S.000000Z"])
            .output()
            .expect("date");
        let now = String::from_utf8_lossy(&date.stdout).trim().to_owned();
        let held = json!({
            "holderIdentity": "ann@elsewhere/4711", "leaseDurationSeconds": 60, "acquireTime": now, "renewTime": now,
        });
        there.add(&object("coordination.k8s.io/v1", "Lease", "velero", &format!("kubectl-dr-{ns}"), &held));
        refuses(&shop, &["ann@elsewhere/4711", "--take-over"]);
    });
    cases.case("rights are missing", || {
        // Whoever may back up may not restore; the role that is printed would allow it.
        let kubeconfig = node.kubeconfig(As::Backup);
        let args = ["restore", "--ns", &ns, "--yes", "--kubeconfig", &kubeconfig.to_string_lossy()];
        refused(&shop, &args, &["rights are missing", "kind: ClusterRole", "persistentvolumes"]);
    });
    command_lines(&shop, &backup, &mut cases);
    cases.case("a claim that is being deleted", || {
        node.kubectl(&["delete", "pvc", "data-postgres-0", "-n", &ns, "--wait=false"]);
        let ending = || !shop.claim()["metadata"]["deletionTimestamp"].is_null();
        until("the claim is being deleted", 30, || ending().then_some(()));
        refuses(&shop, &["claim data-postgres-0: it is being deleted", "persistentVolumeReclaimPolicy"]);
    });
    cases.case("a namespace that is being deleted", || {
        let held = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "held", "namespace": ns, "finalizers": ["dr.test/held"] },
        });
        node.apply(&held.to_string());
        node.kubectl(&["delete", "namespace", &ns, "--wait=false"]);
        let phase = || node.get(&["namespace", &ns])["status"]["phase"].clone();
        until("the namespace is being deleted", 30, || (phase() == "Terminating").then_some(()));
        // Its RoleBindings may be gone before it is.
        bind_everywhere(&node);
        let ended = node.dr(&["restore", "--ns", &ns, "--yes"]);
        let free = r#"{"metadata":{"finalizers":null}}"#;
        node.kubectl(&["patch", "configmap", "held", "-n", &ns, "--type=merge", "-p", free]);
        ended.exits(3).says(&format!("namespace {ns}: it is being deleted"));
    });
}

/// Whoever would put back what a restore changes.
fn owners(shop: &Shop<'_>, cases: &mut Cases) {
    let (node, ns) = (shop.node, shop.namespace.as_str());
    cases.case("an application that Argo CD syncs", || {
        let mut there = There::new(node);
        there.kind("argoproj.io", "v1alpha1", "Application", "applications");
        let automated =
            json!({ "destination": { "namespace": ns }, "syncPolicy": { "automated": { "selfHeal": true } } });
        there.add(&object("argoproj.io/v1alpha1", "Application", ns, "shop", &automated));
        refuses(shop, &["Argo CD", "syncPolicy"]);
        // Verifiably paused it is no reason any more.
        let pause = r#"{"spec":{"syncPolicy":{"automated":null}}}"#;
        node.kubectl(&["patch", "applications.argoproj.io", "shop", "-n", ns, "--type=merge", "-p", pause]);
        node.dr(&["restore", "--ns", ns, "--dry-run"]).exits(0);
    });
    cases.case("a Kustomization and a HelmRelease of Flux", || {
        let mut there = There::new(node);
        there.kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations");
        there.kind("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases");
        let target = json!({ "targetNamespace": ns });
        there.add(&object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "default", "shop", &target));
        there.add(&object("helm.toolkit.fluxcd.io/v2", "HelmRelease", "default", "shop", &target));
        refuses(shop, &["flux suspend kustomization shop -n default", "flux suspend helmrelease shop -n default"]);
    });
    cases.case("a Deployment that KEDA scales", || {
        let mut there = There::new(node);
        there.kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects");
        let target = json!({ "scaleTargetRef": { "name": "orders" } });
        there.add(&object("keda.sh/v1alpha1", "ScaledObject", ns, "orders", &target));
        refuses(shop, &["KEDA", "autoscaling.keda.sh/paused-replicas=0"]);
    });
    cases.case("a StatefulSet that belongs to an operator", || {
        let mut there = There::new(node);
        there.kind("databases.dr.test", "v1", "Database", "databases");
        there.add(&object("databases.dr.test/v1", "Database", ns, "books", &json!({})));
        let uid = node.get(&["databases.databases.dr.test", "books", "-n", ns])["metadata"]["uid"].clone();
        let owned = |owners: &Value| {
            let patch = json!({ "metadata": { "ownerReferences": owners } }).to_string();
            node.kubectl(&["patch", "statefulset", "postgres", "-n", ns, "--type=merge", "-p", &patch]);
        };
        owned(&json!([{
            "apiVersion": "databases.dr.test/v1", "kind": "Database", "name": "books", "uid": uid, "controller": true,
        }]));
        let ended = catch_unwind(AssertUnwindSafe(|| {
            refuses(shop, &["belongs to Database books", "--leave"]);
        }));
        owned(&Value::Null);
        if let Err(reason) = ended {
            resume_unwind(reason);
        }
    });
}

fn command_lines(shop: &Shop<'_>, backup: &str, cases: &mut Cases) {
    let (node, ns) = (shop.node, shop.namespace.as_str());
    cases.case("no terminal and no --yes", || refused(shop, &["restore", "--ns", ns], &["--yes"]));
    cases.case("a context that does not exist", || {
        refused(shop, &["restore", "--ns", ns, "--yes", "--context", "elsewhere"], &["elsewhere", "get-contexts"]);
    });
    cases.case("command lines that cannot be read", || {
        node.dr(&["restore", "--ns", ns, "--frm", backup]).exits(2).says("--from");
        node.dr(&["restore", "--ns", ns, "--context", "a", "--context", "b"]).exits(2).says("--context");
        node.dr(&["restore", "--ns", ns, "--at", "yesteday"]).exits(2).says("yesteday");
    });
    cases.case("plans that are cut short, of another format, or out of date", || {
        let plan = node.dr(&["restore", "plan", "--ns", ns, "-o", "json"]).exits(0);
        let file = node.home().join("plan.json");
        let apply = ["restore", "apply", &file.to_string_lossy(), "--yes"];
        fs::write(&file, &plan.stdout[..plan.stdout.len() / 2]).expect("write half a plan");
        node.dr(&apply).exits(2);
        let mut newer = plan.json();
        newer["plan"]["format"] = json!(99);
        fs::write(&file, newer.to_string()).expect("write a plan");
        refused(shop, &apply, &["99"]);
        fs::write(&file, &plan.stdout).expect("write the plan");
        scale_to(node, ns, "deployment/catalog", 1);
        refused(shop, &apply, &["catalog", "changed since the plan was made"]);
        scale_to(node, ns, "deployment/catalog", 2);
    });
}
