//! What is handed on holds no secret, and everything that is no secret.

use std::collections::BTreeMap;

use dr_core::facts::{FORMAT, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::object::Object;
use dr_core::redact::{self, text};
use jiff::Timestamp;
use serde_json::json;

#[test]
fn commands_of_hooks_are_handed_on_neither_of_a_backup_nor_of_a_schedule() {
    let hooks = json!({ "resources": [{ "pre": [{ "exec": { "command": ["mysqldump", "-phunter2"] } }] }] });
    let backup = Object(json!({ "metadata": { "name": "b" }, "spec": { "hooks": hooks } }));
    let template = json!({ "includedNamespaces": ["shop"], "hooks": hooks });
    let schedule =
        Object(json!({ "metadata": { "name": "s" }, "spec": { "schedule": "@daily", "template": template } }));
    let objects = [(Kind::Backup, backup), (Kind::Schedule, schedule)];
    let facts = Facts {
        format: FORMAT,
        taken: Timestamp::UNIX_EPOCH,
        context: "test".into(),
        server: "https://test".into(),
        server_version: "v1.34.2".into(),
        cluster_uid: "uid".into(),
        namespace: "shop".into(),
        velero_namespace: "velero".into(),
        objects: objects.into_iter().map(|(kind, object)| (kind, Listed::Objects(vec![object]))).collect(),
        documents: BTreeMap::new(),
    };
    let handed_on = serde_json::to_string(&redact::facts(&facts)).expect("JSON");
    assert!(!handed_on.contains("hunter2") && handed_on.contains("includedNamespaces"), "{handed_on}");
}

#[test]
fn what_looks_like_a_password_goes_and_the_sentence_around_it_stays() {
    for (said, told) in [
        (
            "connection to postgres://shop:p@ss/w0rd@db:5432/books failed",
            "connection to postgres://shop:(redacted)@db:5432/books failed",
        ),
        ("bad DSN: host=db password=hunter2 dbname=books", "bad DSN: host=db password=(redacted) dbname=books"),
        ("PGPASSWORD='two words' psql", "PGPASSWORD=(redacted) psql"),
        (r#"{"token": "abc", "user": "me"}"#, r#"{"token": (redacted), "user": "me"}"#),
        ("mysqldump --password hunter2 --all", "mysqldump --password (redacted) --all"),
        ("--api-key=abc&next", "--api-key=(redacted)&next"),
        ("authorization: Basic dXNlcjpw", "authorization: Basic (redacted)"),
        ("sent Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9", "sent Bearer (redacted)"),
        (
            "https://s3/b/a?X-Amz-Signature=0a1b&X-Amz-Security-Token=Fwo",
            "https://s3/b/a?X-Amz-Signature=(redacted)&X-Amz-Security-Token=(redacted)",
        ),
    ] {
        assert_eq!(text(said), told);
    }
}

#[test]
fn what_is_no_password_is_left_as_it_is() {
    for said in [
        "FATAL: password authentication failed for user \"shop\"",
        "secrets \"login\" is forbidden: User \"me\" cannot get resource \"secrets\" in API group \"\"",
        "cannot reach https://127.0.0.1:6443: Connection refused",
        "image registry.example/postgres@sha256:0a1b2c",
        "--features=EnableCSI",
        "the server could not authenticate: basic authentication is off",
        "no PG_VERSION in /var/lib/postgresql/data: the volume holds no PostgreSQL data",
    ] {
        assert_eq!(text(said), said);
    }
}
