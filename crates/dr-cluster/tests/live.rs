//! Against a real cluster with Velero and at least one backup: `KUBECONFIG=… cargo test -p dr-cluster -- --ignored`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that finds no cluster has nothing to say but that"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use dr_cluster::act::{Answer, act};
use dr_cluster::connect::{ConnectFlags, Connection};
use dr_cluster::documents::Documents;
use dr_cluster::events::{self, News, Severity};
use dr_cluster::exec::{ExecError, exec};
use dr_cluster::execute::now;
use dr_cluster::lease::{Lease, LeaseError};
use dr_cluster::observe::observe;
use dr_cluster::{capture, rights};
use dr_core::facts::{Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::condition::Query;
use dr_run::decide::Request;
use serde_json::{Value, json};

async fn connect() -> Connection {
    Connection::connect(ConnectFlags::default()).await.unwrap()
}

async fn captured(connection: &Connection) -> (Facts, String, String) {
    let facts = capture::capture(connection, "default", None, now()).await.unwrap();
    let backups = facts.all(Kind::Backup).unwrap();
    let done = |backup: &&Object| backup.str_at("/status/phase") == Some("Completed");
    let backup = backups.iter().find(done).expect("a completed backup");
    let namespace = backup.str_at("/spec/includedNamespaces/0").expect("of one namespace").to_owned();
    let name = backup.name().to_owned();
    (capture::capture(connection, &namespace, None, now()).await.unwrap(), name, namespace)
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn facts_hold_the_namespace_and_no_secret() {
    let connection = connect().await;
    let (facts, _, namespace) = captured(&connection).await;
    assert!(!facts.cluster_uid.is_empty() && facts.server_version.starts_with('v'));
    assert!(facts.of(Kind::PersistentVolumeClaim, &namespace).unwrap().count() > 0);
    for secret in facts.all(Kind::Secret).unwrap() {
        assert!(secret.at("/data").is_none(), "{secret:?}");
    }
    assert_eq!(facts.objects.get(&Kind::Application), Some(&Listed::NotServed));
    let gone = capture::capture(&connection, "never-was-here", None, now()).await.unwrap();
    assert_eq!(gone.get(&Key::cluster(Kind::Namespace, "never-was-here")).unwrap(), None);
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn documents_come_through_the_cluster() {
    let connection = connect().await;
    let (facts, backup, namespace) = captured(&connection).await;
    let documents = Documents::new(&connection, &facts.velero_namespace);
    let unique = |what: &str| format!("dr-test-{what}-{}", now().as_millisecond());
    let infos = documents.volume_infos(&backup, &unique("infos")).await.unwrap();
    assert!(!infos.is_empty());
    let archive = documents.archive(&backup, &namespace, &unique("archive")).await.unwrap();
    assert!(archive.of(Kind::PersistentVolumeClaim).count() > 0, "{:?}", archive.items);
    documents.backup_results(&backup, &unique("results")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn a_command_says_what_it_says_and_how_it_ended() {
    let connection = connect().await;
    let (facts, _, namespace) = captured(&connection).await;
    let pods: Vec<&Object> = facts.of(Kind::Pod, &namespace).unwrap().collect();
    let pod = pods.iter().find(|pod| pod.str_at("/status/phase") == Some("Running")).expect("a running pod");
    let container = pod.str_at("/spec/containers/0/name").unwrap();
    let key = Key::namespaced(Kind::Pod, &namespace, pod.name());
    let shell = |script: &str| ["sh", "-c", script].map(str::to_owned);
    let minute = Duration::from_secs(60);
    let said = exec(&connection, &key, container, &shell("echo out; echo err >&2; exit 7"), minute).await.unwrap();
    assert_eq!((said.exit_code, said.stdout.as_str(), said.stderr.as_str()), (7, "out\n", "err\n"));
    let long = exec(&connection, &key, container, &shell("head -c 3000000 /dev/zero | tr '\\0' x"), minute).await;
    assert_eq!(long.unwrap().stdout.len(), 3_000_000);
    let endless = exec(&connection, &key, container, &shell("cat /dev/zero"), minute).await;
    assert_eq!(endless, Err(ExecError::TooMuch));
    let slow = exec(&connection, &key, container, &shell("sleep 30"), Duration::from_secs(1)).await;
    assert_eq!(slow, Err(ExecError::TooLong(1)));
    let missing = exec(&connection, &key, "no-such-container", &shell("true"), minute).await;
    assert!(matches!(missing, Err(ExecError::NotStarted(_))), "{missing:?}");
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn an_administrator_lacks_nothing_and_somebody_else_does() {
    let wanted = [dr_run::rights::Right {
        verb: "create".to_owned(),
        kind: Kind::Pod,
        subresource: Some("exec".to_owned()),
        namespace: Some("default".to_owned()),
    }];
    assert_eq!(rights::missing(&connect().await, &wanted).await.unwrap(), []);
    let flags = ConnectFlags { as_user: Some("nobody".to_owned()), ..ConnectFlags::default() };
    let nobody = Connection::connect(flags).await.unwrap();
    assert_eq!(rights::missing(&nobody, &wanted).await.unwrap(), wanted);
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn the_server_refuses_what_was_decided_on_another_object() {
    let connection = connect().await;
    let key = Key::namespaced(Kind::ConfigMap, "default", format!("dr-test-{}", now().as_millisecond()));
    let create = Request::Create { key: key.clone(), object: json!({ "data": { "a": "1" } }) };
    assert_eq!(act(&connection, &create).await, Answer::Applied);
    assert!(matches!(act(&connection, &create).await, Answer::Conflict(_)));
    let patch = |metadata: Value| Request::Patch {
        key: key.clone(),
        patch: json!({ "metadata": metadata, "data": { "a": "2" } }),
    };
    let other = act(&connection, &patch(json!({ "uid": "b266dc2e-0000-0000-0000-586bcf31e147" }))).await;
    assert!(matches!(other, Answer::Conflict(_)), "{other:?}");
    let stale = act(&connection, &patch(json!({ "resourceVersion": "1" }))).await;
    assert!(matches!(stale, Answer::Conflict(_)), "{stale:?}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let query = Query::Get(key.clone());
    let seen = observe(&connection, &BTreeSet::from([query]), deadline).await.unwrap();
    let found = seen.get(&key).unwrap().unwrap().clone();
    let delete = |uid: &str, version: &str| Request::Delete {
        key: key.clone(),
        uid: uid.to_owned(),
        resource_version: version.to_owned(),
        grace_seconds: None,
    };
    let (uid, version) = (found.uid().unwrap(), found.resource_version().unwrap());
    assert!(matches!(act(&connection, &delete("someone-else", version)).await, Answer::Conflict(_)));
    assert!(matches!(act(&connection, &delete(uid, "1")).await, Answer::Conflict(_)));
    assert_eq!(act(&connection, &delete(uid, version)).await, Answer::Applied);
    let rejected = Request::Create { key: Key { name: "Not_A_Name".to_owned(), ..key.clone() }, object: json!({}) };
    assert!(matches!(act(&connection, &rejected).await, Answer::Rejected(_)));
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn a_lease_is_held_by_one_until_it_is_given_back() {
    let connection = connect().await;
    let name = format!("dr-test-{}", now().as_millisecond());
    let lease = Lease::acquire(&connection, "default", &name, "me", now()).await.unwrap();
    lease.renew(&connection, now()).await.unwrap();
    let refused = Lease::acquire(&connection, "default", &name, "colleague", now()).await.unwrap_err();
    assert!(matches!(&refused, LeaseError::Held { holder, .. } if holder == "me"), "{refused}");
    lease.release(&connection, now()).await.unwrap();
    let next = Lease::acquire(&connection, "default", &name, "colleague", now()).await.unwrap();
    next.release(&connection, now()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a real node"]
async fn a_namespace_tells_its_news() {
    let connection = connect().await;
    let message = format!("a test at {}", now());
    let news = News {
        namespace: "default",
        severity: Severity::Normal,
        reason: "DisasterRecoveryTest",
        message: &message,
        at: now(),
    };
    events::post(&connection, news).await;
    let request = http::Request::get("/api/v1/namespaces/default/events").body(Vec::new()).unwrap();
    let listed = connection.client.request_text(request).await.unwrap();
    assert!(listed.contains(&message));
}
