//! Which engines are known, what a copy of theirs is worth, and what runs before it.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use dr_core::care::{self, Care, ENGINES};
use dr_core::engine::Container;
use dr_core::object::Object;
use serde_json::json;

fn engine(image: &str, mount: &str) -> Option<&'static Care> {
    let pod = Object(json!({ "spec": { "containers": [
        { "name": "sidecar", "image": "example.com/exporter:1", "volumeMounts": [] },
        { "name": "main", "image": image, "volumeMounts": [{ "name": "data", "mountPath": mount }] },
    ] } }));
    let (care, container, found) = care::find(&pod, "data")?;
    assert_eq!((container, found), ("main", mount));
    Some(care)
}

#[test]
fn an_engine_is_known_by_image_and_mount_together() {
    let known = [
        ("docker.io/library/postgres:15", "/var/lib/postgresql/data", "postgres"),
        ("mariadb:11.4@sha256:0", "/var/lib/mysql", "mysql"),
        ("registry.example.com/bitnamilegacy/mysql:8", "/bitnami/mysql/data", "mysql"),
        ("mongo:7", "/data/db", "mongodb"),
        ("valkey/valkey:8", "/data", "redis"),
        ("docker.elastic.co/elasticsearch/elasticsearch:8.1.0", "/usr/share/elasticsearch/data", "elasticsearch"),
        ("rabbitmq:3-management", "/var/lib/rabbitmq", "rabbitmq"),
    ];
    for (image, mount, name) in known {
        assert_eq!(engine(image, mount).map(|care| care.engine), Some(name), "{image} on {mount}");
    }
    for (image, mount) in [
        ("prom/mysqld-exporter:1", "/var/lib/mysql"),
        ("mysql:8", "/backup"),
        ("redis:7", "/database"),
        ("mongo-express:1", "/data/db"),
        ("nginx:1", "/usr/share/nginx/html"),
    ] {
        assert!(engine(image, mount).is_none(), "{image} on {mount}");
    }
}

#[test]
fn what_keeps_a_log_survives_a_snapshot_and_no_file_copy_of_a_running_database_is_trusted() {
    let doubted = |of: fn(&Care) -> bool| -> Vec<&str> {
        ENGINES.iter().filter(|care| of(care)).map(|care| care.engine).collect()
    };
    assert_eq!(doubted(|care| care.snapshot.is_some()), ["elasticsearch", "rabbitmq"]);
    assert_eq!(
        doubted(|care| care.files.is_some()),
        ["postgres", "mysql", "mongodb", "redis", "redis", "elasticsearch", "rabbitmq"]
    );
}

/// Runs what is run in a Redis pod, with a client that answers like this.
fn save(client: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("redis-cli");
    fs::write(&program, format!("#!/bin/sh\ncd {}\nshift 2\n{client}\n", folder.path().display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let script = ENGINES.iter().find_map(|care| care.pre_backup.filter(|_| care.engine == "redis")).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let out = Command::new("sh").args(["-c", script]).env_clear().env("PATH", path).output().unwrap();
    (out.status.success(), String::from_utf8(out.stderr).unwrap().trim().to_owned())
}

#[test]
fn a_save_of_redis_ends_when_the_time_of_the_last_one_has_changed() {
    let client = "case $1 in LASTSAVE) if [ -e saved ]; then echo 1700000001; else echo 1700000000; fi ;;\n\
                  BGSAVE) touch saved; echo Background saving started ;;\nINFO) echo rdb_last_bgsave_status:ok ;;\nesac";
    assert_eq!(save(client), (true, String::new()));
}

#[test]
fn a_save_of_redis_that_fails_or_is_not_allowed_is_a_failed_hook() {
    let failing = "case $1 in LASTSAVE) echo 1700000000 ;;\nBGSAVE) echo Background saving started ;;\nINFO) echo rdb_last_bgsave_status:err ;;\nesac";
    assert_eq!(save(failing), (false, "the save failed".to_owned()));
    let busy = "case $1 in LASTSAVE) echo 1700000000 ;;\nBGSAVE) echo ERR Background save already in progress ;;\nesac";
    assert_eq!(save(busy), (false, "BGSAVE answers: ERR Background save already in progress".to_owned()));
    let closed = "echo 'NOAUTH Authentication required.'";
    assert_eq!(save(closed), (false, "LASTSAVE answers: NOAUTH Authentication required.".to_owned()));
}

#[test]
fn a_redis_that_appends_lacks_nothing_that_a_save_would_add() {
    let unsaved = |container: serde_json::Value, mount: &str| {
        care::of(&Container { spec: &container, mount }).and_then(|care| care.unsaved).is_some()
    };
    let official = |args: serde_json::Value| json!({ "image": "redis:7", "args": args });
    assert!(unsaved(official(json!([])), "/data"));
    assert!(!unsaved(official(json!(["redis-server", "--appendonly", "yes"])), "/data"));
    assert!(unsaved(official(json!(["redis-server", "--appendonly", "no"])), "/data"));
    let bitnami = |env: serde_json::Value| json!({ "image": "bitnami/redis:7", "env": env });
    let switch = |value: serde_json::Value| json!([value]);
    assert!(!unsaved(bitnami(json!([])), "/bitnami/redis/data"));
    assert!(!unsaved(bitnami(switch(json!({ "name": "REDIS_AOF_ENABLED", "value": "yes" }))), "/bitnami/redis/data"));
    assert!(unsaved(bitnami(switch(json!({ "name": "REDIS_AOF_ENABLED", "value": "no" }))), "/bitnami/redis/data"));
    let elsewhere =
        json!({ "name": "REDIS_AOF_ENABLED", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } });
    assert!(unsaved(bitnami(switch(elsewhere)), "/bitnami/redis/data"));
}
