//! One script of what an API server and its volume controllers do, told by the model and by a real one.
//!
//! `KUBECONFIG_DR_NODE=… cargo test -p dr-world --test conformance` runs it against that cluster as well; it makes two
//! namespaces and two persistent volumes of its own there and removes them. Any difference fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::similar_names,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a script: long, in order, and where it cannot go on it has failed"
)]

use std::time::Duration;

use dr_world::fake_api::FakeApi;
use dr_world::world::World;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

/// What was asked, in words, and what came of it.
struct Script {
    client: kube::Client,
    told: Vec<String>,
}

struct Reply {
    code: u16,
    body: Value,
}

impl Reply {
    fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap_or_default().to_owned()
    }
}

impl Script {
    async fn send(&self, method: Method, path: &str, content: &str, accept: &str, body: &Value) -> Reply {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content)
            .header("accept", accept)
            .body(Body::from(body))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Reply { code, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// Sends and writes down the code and the reason.
    async fn tell(&mut self, what: &str, method: Method, path: &str, body: Value) -> Reply {
        let content = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let reply = self.send(method, path, content, "application/json", &body).await;
        self.told.push(format!("{what}: {} {}", reply.code, reply.text("/reason")).trim_end().to_owned());
        reply
    }

    fn note(&mut self, what: &str, found: impl std::fmt::Display) {
        self.told.push(format!("  {what}: {found}"));
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "application/json", "application/json", &Value::Null).await
    }

    /// Waits until the object fits, and writes down whether it came to that.
    async fn until(&mut self, what: &str, path: &str, fits: impl Fn(&Reply) -> bool) -> Reply {
        let mut reply = self.get(path).await;
        for _ in 0..300 {
            if fits(&reply) {
                self.told.push(format!("{what}: yes"));
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            reply = self.get(path).await;
        }
        self.told.push(format!("{what}: no, {}", reply.text("/status/phase")));
        reply
    }
}

fn map(name: &str, metadata: Value) -> Value {
    let mut object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": "1" } });
    object["metadata"]["name"] = json!(name);
    object
}

fn preconditions(uid: &str, version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": { "uid": uid, "resourceVersion": version },
    })
}

async fn objects(script: &mut Script, namespace: &str) {
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    let one = format!("{maps}/one");
    script
        .tell(
            "create in a namespace that is missing",
            Method::POST,
            "/api/v1/namespaces/dr-nowhere/configmaps",
            map("one", json!({})),
        )
        .await;
    script
        .tell("create with a resourceVersion", Method::POST, &maps, map("one", json!({ "resourceVersion": "7" })))
        .await;
    script.tell("create", Method::POST, &maps, map("one", json!({ "labels": { "x": "y" } }))).await;
    script.tell("create what exists", Method::POST, &maps, map("one", json!({}))).await;
    script.tell("create under another name than the path's", Method::PUT, &one, map("two", json!({}))).await;
    script.tell("get what is missing", Method::GET, &format!("{maps}/none"), Value::Null).await;
    script.tell("delete what is missing", Method::DELETE, &format!("{maps}/none"), Value::Null).await;
    script.tell("patch what is missing", Method::PATCH, &format!("{maps}/none"), json!({})).await;
    script.tell("a resource nobody serves", Method::GET, "/apis/dr.invalid/v1/things", Value::Null).await;

    let found = script.get(&one).await;
    let (uid, version) = (found.text("/metadata/uid"), found.text("/metadata/resourceVersion"));
    let other = "11111111-1111-4111-8111-111111111111";
    let guarded = |uid: &str, version: &str| json!({ "metadata": { "uid": uid, "resourceVersion": version, "annotations": { "k": "v" } } });
    script.tell("patch with another uid", Method::PATCH, &one, guarded(other, &version)).await;
    script.tell("patch with a stale resourceVersion", Method::PATCH, &one, guarded(&uid, "1")).await;
    script.tell("patch with both wrong", Method::PATCH, &one, guarded(other, "1")).await;
    let patched = script.tell("patch with both right", Method::PATCH, &one, guarded(&uid, &version)).await;
    let newer = patched.text("/metadata/resourceVersion");
    script.note("its resourceVersion is another", newer != version);
    let again = script
        .tell("the same patch again", Method::PATCH, &one, json!({ "metadata": { "annotations": { "k": "v" } } }))
        .await;
    script.note("its resourceVersion is the same", again.text("/metadata/resourceVersion") == newer);
    let off = json!({ "metadata": { "annotations": { "k": null }, "labels": { "x": null } } });
    let bare = script.tell("take the last label and annotation away", Method::PATCH, &one, off).await;
    script
        .note("the maps are gone", bare.at("/metadata/labels").is_null() && bare.at("/metadata/annotations").is_null());
    script
        .tell("set the creation time", Method::PATCH, &one, json!({ "metadata": { "creationTimestamp": null } }))
        .await;
    let patch = json!({ "metadata": { "deletionTimestamp": "2020-01-01T00:00:00Z" } });
    let alive = script.tell("set the deletion time by hand", Method::PATCH, &one, patch).await;
    script.note("it is not being deleted", alive.at("/metadata/deletionTimestamp").is_null());

    script.tell("make it immutable", Method::PATCH, &one, json!({ "immutable": true })).await;
    script.tell("change its data", Method::PATCH, &one, json!({ "data": { "a": "2" } })).await;
    script.tell("make it mutable again", Method::PATCH, &one, json!({ "immutable": false })).await;
    script
        .tell("its labels still change", Method::PATCH, &one, json!({ "metadata": { "labels": { "l": "m" } } }))
        .await;

    let version = script.get(&one).await.text("/metadata/resourceVersion");
    script.tell("delete with another uid", Method::DELETE, &one, preconditions(other, &version)).await;
    script.tell("delete with a stale resourceVersion", Method::DELETE, &one, preconditions(&uid, "1")).await;
    let gone = script.tell("delete with both right", Method::DELETE, &one, preconditions(&uid, &version)).await;
    script.note("the answer is a", gone.text("/kind"));
    script.tell("it is gone", Method::GET, &one, Value::Null).await;

    let held = map("held", json!({ "finalizers": ["dr.test/hold"] }));
    script.tell("create with a finalizer", Method::POST, &maps, held.clone()).await;
    let path = format!("{maps}/held");
    let going = script.tell("delete it", Method::DELETE, &path, Value::Null).await;
    script.note("the answer is a", going.text("/kind"));
    script.note("it is being deleted", !going.at("/metadata/deletionTimestamp").is_null());
    let version = going.text("/metadata/resourceVersion");
    let again = script.tell("delete it again", Method::DELETE, &path, Value::Null).await;
    script.note("nothing changed", again.text("/metadata/resourceVersion") == version);
    script.tell("create it again meanwhile", Method::POST, &maps, held).await;
    script.tell("take the finalizer away", Method::PATCH, &path, json!({ "metadata": { "finalizers": null } })).await;
    script.tell("it is gone", Method::GET, &path, Value::Null).await;

    for name in ["p1", "p2", "p3", "p4", "p5"] {
        script.tell("create one of five", Method::POST, &maps, map(name, json!({ "labels": { "page": "yes" } }))).await;
    }
    let mut token = String::new();
    let mut names = Vec::new();
    loop {
        let path = format!("{maps}?limit=2&labelSelector=page%3Dyes&continue={token}");
        let page = script.tell("a page of two", Method::GET, &path, Value::Null).await;
        let items = page.at("/items").as_array().unwrap().clone();
        script.note("items", items.len());
        script.note("says how many are left", !page.at("/metadata/remainingItemCount").is_null());
        script.note("items name their kind", items.iter().any(|item| !item["kind"].is_null()));
        names.extend(items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()));
        token = page.text("/metadata/continue");
        if token.is_empty() {
            break;
        }
        token = token.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F");
    }
    script.note("names", names.join(","));
    let none = script
        .tell("a selector nothing fits", Method::GET, &format!("{maps}?labelSelector=page%3Dno"), Value::Null)
        .await;
    script.note("items", none.at("/items").as_array().map_or(99, Vec::len));
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let partial = script.send(Method::GET, &format!("{maps}/p1"), "application/json", accept, &Value::Null).await;
    script.note(
        "metadata only",
        format!("{} {} {}", partial.text("/kind"), partial.text("/apiVersion"), partial.at("/data").is_null()),
    );
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": { "verb": "patch", "resource": "persistentvolumes" } },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = script.tell("may I patch persistentvolumes", Method::POST, path, review).await;
    script.note("allowed", review.at("/status/allowed"));
}

async fn workloads(script: &mut Script, namespace: &str) {
    let sets = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets");
    let template = json!({
        "metadata": { "labels": { "app": "set" } },
        "spec": {
            "nodeSelector": { "dr.test/nowhere": "yes" },
            "containers": [{ "name": "app", "image": "dr.invalid/app:1" }],
        },
    });
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "set" },
        "spec": {
            "replicas": 0, "serviceName": "set", "selector": { "matchLabels": { "app": "set" } }, "template": template,
            "volumeClaimTemplates": [{
                "metadata": { "name": "data" },
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": "dr-other",
                    "resources": { "requests": { "storage": "1Mi" } },
                },
            }],
        },
    });
    let made = script.tell("create a StatefulSet", Method::POST, &sets, set).await;
    let path = format!("{sets}/set");
    script.note("generation", made.at("/metadata/generation"));
    let annotated =
        script.tell("annotate it", Method::PATCH, &path, json!({ "metadata": { "annotations": { "a": "b" } } })).await;
    script.note("generation", annotated.at("/metadata/generation"));
    script
        .tell("patch a field that is fixed", Method::PATCH, &path, json!({ "spec": { "serviceName": "other" } }))
        .await;
    let policy = json!({ "spec": { "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Retain", "whenDeleted": "Retain" } } });
    script.tell("set its retention policy", Method::PATCH, &path, policy).await;
    let before = script.get(&path).await.at("/metadata/generation").as_i64().unwrap();
    let up = script.tell("scale it to 1", Method::PATCH, &path, json!({ "spec": { "replicas": 1 } })).await;
    script.note("generation goes up by", up.at("/metadata/generation").as_i64().unwrap() - before);
    let claim = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/data-set-0");
    let claim = script.until("it makes its claim", &claim, |reply| reply.code == 200).await;
    script.note("labels", claim.at("/metadata/labels"));
    let pod = format!("/api/v1/namespaces/{namespace}/pods/set-0");
    script.until("it makes its pod", &pod, |reply| reply.code == 200).await;
    script.tell("scale it to 0", Method::PATCH, &path, json!({ "spec": { "replicas": 0 } })).await;
    script.until("its pod goes", &pod, |reply| reply.code == 404).await;
    let status = json!({ "status": { "replicas": 7 } });
    let patched = script.tell("patch its status beside the subresource", Method::PATCH, &path, status).await;
    script.note("replicas became 7", *patched.at("/status/replicas") == json!(7));
}

fn volume(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
        "spec": {
            "capacity": { "storage": "1Mi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": "dr-none",
            "persistentVolumeReclaimPolicy": "Retain",
            "csi": { "driver": "dr.invalid", "volumeHandle": name },
        },
    })
}

fn claim(name: &str, volume: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "dr-none", "volumeName": volume,
            "resources": { "requests": { "storage": "1Mi" } },
        },
    })
}

fn phase(wanted: &'static str) -> impl Fn(&Reply) -> bool {
    move |reply| reply.text("/status/phase") == wanted
}

async fn volumes(script: &mut Script, namespace: &str) {
    let claims = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
    let (old, new) = (format!("{namespace}-old"), format!("{namespace}-new"));
    let at = |name: &str| format!("/api/v1/persistentvolumes/{name}");
    for name in [&old, &new] {
        script.tell("create a volume", Method::POST, "/api/v1/persistentvolumes", volume(name)).await;
        script.until("it is Available", &at(name), phase("Available")).await;
    }
    let data = format!("{claims}/data");
    script.tell("create a claim for the old one", Method::POST, &claims, claim("data", &old)).await;
    let bound = script.until("it is Bound", &data, phase("Bound")).await;
    let held = script.until("so is its volume", &at(&old), phase("Bound")).await;
    script.note("by uid", held.text("/spec/claimRef/uid") == bound.text("/metadata/uid"));
    script.note("the claim says who bound it", bound.at("/metadata/annotations/pv.kubernetes.io~1bind-completed"));
    script.note(
        "and not that the controller chose",
        bound.at("/metadata/annotations/pv.kubernetes.io~1bound-by-controller"),
    );
    script.note("finalizers", bound.at("/metadata/finalizers"));
    script
        .tell("name another volume in the claim", Method::PATCH, &data, json!({ "spec": { "volumeName": new } }))
        .await;
    let other = json!({ "spec": { "csi": { "volumeHandle": "elsewhere" } } });
    script.tell("name another disk in the volume", Method::PATCH, &at(&old), other).await;
    script
        .tell(
            "delete the claim",
            Method::DELETE,
            &data,
            preconditions(&bound.text("/metadata/uid"), &script.get(&data).await.text("/metadata/resourceVersion")),
        )
        .await;
    script.until("it goes", &data, |reply| reply.code == 404).await;
    script.until("its volume is Released", &at(&old), phase("Released")).await;

    let reserve = json!({ "spec": { "claimRef": {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": "data",
        "uid": null, "resourceVersion": null,
    } } });
    script.tell("reserve the new one by name", Method::PATCH, &at(&new), reserve.clone()).await;
    script.until("it is Available", &at(&new), phase("Available")).await;
    script.tell("create the claim on it", Method::POST, &claims, claim("data", &new)).await;
    let swapped = script.until("it is Bound", &data, phase("Bound")).await;
    script.note("to the new one", swapped.text("/spec/volumeName") == new);
    let held = script.until("so is its volume", &at(&new), phase("Bound")).await;
    script.note("by uid", held.text("/spec/claimRef/uid") == swapped.text("/metadata/uid"));
    script.note("the old one still is", script.get(&at(&old)).await.text("/status/phase"));

    script.tell("delete the claim", Method::DELETE, &data, Value::Null).await;
    script.until("it goes", &data, |reply| reply.code == 404).await;
    script.until("its volume is Released", &at(&new), phase("Released")).await;
    script.tell("create a claim on the Released one", Method::POST, &claims, claim("data", &new)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    script.note("two seconds later it is", script.get(&data).await.text("/status/phase"));
    script.tell("delete it", Method::DELETE, &data, Value::Null).await;
    script.until("it goes", &data, |reply| reply.code == 404).await;

    script.tell("give the old one back by name", Method::PATCH, &at(&old), reserve).await;
    script.until("it is Available", &at(&old), phase("Available")).await;
    script.tell("create the claim as it was", Method::POST, &claims, claim("data", &old)).await;
    script.until("it is Bound", &data, phase("Bound")).await;
    let going = script.tell("delete the volume that is bound", Method::DELETE, &at(&old), Value::Null).await;
    script.note("it is being deleted", !going.at("/metadata/deletionTimestamp").is_null());
    tokio::time::sleep(Duration::from_secs(2)).await;
    script.note("two seconds later it is", script.get(&at(&old)).await.text("/status/phase"));
    script.tell("delete its claim", Method::DELETE, &data, Value::Null).await;
    script.until("the volume goes with it", &at(&old), |reply| reply.code == 404).await;
    script.tell("delete the new one", Method::DELETE, &at(&new), Value::Null).await;
    script.until("it goes", &at(&new), |reply| reply.code == 404).await;
}

async fn ending(script: &mut Script, namespace: &str) {
    let path = format!("/api/v1/namespaces/{namespace}");
    let maps = format!("{path}/configmaps");
    script
        .tell("create with a finalizer", Method::POST, &maps, map("last", json!({ "finalizers": ["dr.test/hold"] })))
        .await;
    let going = script.tell("delete the namespace", Method::DELETE, &path, Value::Null).await;
    script.note("it is", going.text("/status/phase"));
    script.tell("create in it", Method::POST, &maps, map("late", json!({}))).await;
    script.until("what it held goes", &format!("{maps}/p1"), |reply| reply.code == 404).await;
    script.note("what is held stays", script.get(&format!("{maps}/last")).await.code);
    script.tell("let it go", Method::PATCH, &format!("{maps}/last"), json!({ "metadata": { "finalizers": [] } })).await;
    script.until("the namespace goes", &path, |reply| reply.code == 404).await;
}

async fn script(client: kube::Client, namespace: &str) -> Vec<String> {
    let mut script = Script { client, told: Vec::new() };
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    let made = script.tell("create a namespace", Method::POST, "/api/v1/namespaces", object.clone()).await;
    script.note("it is", made.text("/status/phase"));
    script.note("labels", made.at("/metadata/labels").to_string().replace(namespace, "N"));
    script.tell("create it again", Method::POST, "/api/v1/namespaces", object).await;
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
    script.until("it has a default service account", &account, |reply| reply.code == 200).await;
    objects(&mut script, namespace).await;
    workloads(&mut script, namespace).await;
    volumes(&mut script, namespace).await;
    ending(&mut script, namespace).await;
    script.told
}

#[tokio::test(start_paused = true)]
async fn the_model_tells_the_script_as_a_real_server_did() {
    let fake = FakeApi::new(World::new(11), 11);
    let told = script(fake.client(), "dr-conformance").await;
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_real_server_tells_the_script_as_the_model_does() {
    let Ok(path) = std::env::var("KUBECONFIG_DR_NODE") else {
        println!("skipped: KUBECONFIG_DR_NODE names no kubeconfig of a node for tests");
        return;
    };
    let kubeconfig = kube::config::Kubeconfig::read_from(&path).expect("KUBECONFIG_DR_NODE is a kubeconfig");
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("a usable kubeconfig");
    let client = kube::Client::try_from(config).expect("a client");
    let namespace = format!("dr-conformance-{}", std::process::id());
    let told = script(client, &namespace).await;
    insta::assert_snapshot!("the_model_tells_the_script_as_a_real_server_did", told.join("\n"));
}
