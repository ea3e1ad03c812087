//! How well a namespace could be brought back, by its newest good backup and its schedules. It is noon.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test that panics has failed, which is what it is for"
)]

use std::collections::{BTreeMap, BTreeSet};

use dr_core::choose::{Choice, Newest, Request, choose, covering};
use dr_core::facts::{Archive, Document, Documents, Facts, Listed};
use dr_core::kind::Kind;
use dr_core::recovery::{Asked, Limit, Recovery, Standing, Survives, Velero, judge, namespaces, server};
use dr_core::select::{Policies, Server, Version};
use jiff::SignedDuration;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

mod common;
#[path = "recovery/gone.rs"]
mod gone;

use common::{empty, push};

/// A cluster with a StatefulSet `db` on claim `data-db-0`, whose driver takes snapshots, and an object store outside it.
fn cluster() -> Facts {
    let mut facts = empty();
    for name in ["shop", "velero"] {
        let namespace = json!({ "metadata": { "name": name }, "status": { "phase": "Active" } });
        push(&mut facts, Kind::Namespace, namespace);
    }
    claim(&mut facts, "data-db-0");
    let pod = json!({ "metadata": { "name": "db-0", "labels": { "app": "db" } },
        "spec": { "nodeName": "node1", "containers": [{ "name": "db" }],
                  "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data-db-0" } }] },
        "status": { "phase": "Running" } });
    push(&mut facts, Kind::Pod, pod);
    let class = json!({ "metadata": { "name": "fast" }, "provisioner": "csi.test" });
    push(&mut facts, Kind::StorageClass, class);
    let snapshots = json!({ "metadata": { "name": "snap" }, "driver": "csi.test" });
    push(&mut facts, Kind::VolumeSnapshotClass, snapshots);
    push(
        &mut facts,
        Kind::StatefulSet,
        json!({ "metadata": { "name": "db" },
                "spec": { "replicas": 1, "volumeClaimTemplates": [{ "metadata": { "name": "data" } }] } }),
    );
    location(&mut facts, "https://s3.example.com");
    facts
}

/// A claim of `shop` that is bound to a volume of the driver.
fn claim(facts: &mut Facts, name: &str) {
    let of = json!({ "namespace": "shop", "name": name });
    push(
        facts,
        Kind::PersistentVolume,
        json!({ "metadata": { "name": format!("pv-{name}") },
                "spec": { "claimRef": of, "storageClassName": "fast", "capacity": { "storage": "1Gi" },
                          "csi": { "driver": "csi.test", "volumeHandle": name } } }),
    );
    push(
        facts,
        Kind::PersistentVolumeClaim,
        json!({ "metadata": { "name": name }, "status": { "phase": "Bound" },
                "spec": { "volumeName": format!("pv-{name}"), "storageClassName": "fast" } }),
    );
}

fn location(facts: &mut Facts, url: &str) {
    facts.objects.insert(Kind::BackupStorageLocation, Listed::Objects(Vec::new()));
    push(
        facts,
        Kind::BackupStorageLocation,
        json!({ "metadata": { "name": "default", "namespace": "velero" }, "spec": { "config": { "s3Url": url } },
                "status": { "phase": "Available" } }),
    );
}

/// A Completed backup of `shop` that began at this time of the day and copied the files of these claims ten seconds later.
fn backup(facts: &mut Facts, name: &str, at: &str, claims: &[&str]) {
    push(
        facts,
        Kind::Backup,
        json!({ "kind": "Backup", "metadata": { "name": name, "namespace": "velero" },
                "spec": { "includedNamespaces": ["shop"], "storageLocation": "default" },
                "status": { "phase": "Completed", "startTimestamp": format!("2026-01-02T{at}:00Z") } }),
    );
    let mut infos = Vec::new();
    for claim in claims {
        infos.push(json!({
            "pvcName": claim, "pvcNamespace": "shop", "backupMethod": "PodVolumeBackup", "result": "succeeded",
            "pvbInfo": { "podName": "db-0", "volumeName": claim },
        }));
        push(
            facts,
            Kind::PodVolumeBackup,
            json!({ "metadata": { "name": format!("{name}-{claim}"), "namespace": "velero",
                                  "labels": { "velero.io/backup-name": name } },
                    "spec": { "pod": { "name": "db-0", "namespace": "shop" }, "volume": claim },
                    "status": { "phase": "Completed", "snapshotID": "abc",
                                "startTimestamp": format!("2026-01-02T{at}:10Z"),
                                "progress": { "totalBytes": 10, "bytesDone": 10 } } }),
        );
    }
    let documents = Documents { volume_infos: Document::Read(infos), archive: Document::Read(Archive::default()) };
    facts.documents.insert(name.to_owned(), documents);
}

fn schedule(facts: &mut Facts, name: &str, cron: &str, more: Value) {
    let mut object = json!({ "kind": "Schedule", "metadata": { "name": name, "namespace": "velero" },
        "spec": { "schedule": cron, "template": { "includedNamespaces": ["shop"] } }, "status": {} });
    for part in ["spec", "status", "metadata"] {
        if let Some(more) = more.get(part).and_then(Value::as_object) {
            object[part].as_object_mut().unwrap().extend(more.clone());
        }
    }
    push(facts, Kind::Schedule, object);
}

fn velero() -> Velero {
    let server = Server { csi: true, ..Server::plain(Version::NEWEST, "velero") };
    Velero { server: Ok(server), policies: BTreeMap::new() }
}

fn judged_with(facts: &Facts, rpo: Option<Limit>) -> Recovery {
    judged_by(facts, rpo, &velero())
}

fn judged_by(facts: &Facts, rpo: Option<Limit>, velero: &Velero) -> Recovery {
    let found = match covering(facts, &Request::default()) {
        Ok(Newest::Found(covering)) => Ok(covering),
        Ok(Newest::Fetch { backup }) => panic!("the list of {backup} was not read"),
        Err(refusal) => Err(refusal),
    };
    let zone = |name: &str| (name == "Test/EastByTwo").then(|| TimeZone::fixed(Offset::constant(2)));
    judge(facts, found.as_ref(), &Asked { rpo, leave: Vec::new(), velero }, &zone)
}

fn judged(facts: &Facts) -> Recovery {
    judged_with(facts, None)
}

#[track_caller]
fn is(facts: &Facts, standing: Standing, because: &str) -> Recovery {
    let recovery = judged(facts);
    assert_eq!((recovery.standing, recovery.because.as_str()), (standing, because));
    recovery
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

#[test]
fn data_that_is_younger_than_the_time_between_two_backups_is_good() {
    let mut facts = cluster();
    backup(&mut facts, "nightly-1", "01:00", &["data-db-0"]);
    schedule(&mut facts, "nightly", "0 1 * * *", json!({ "status": { "lastBackup": "2026-01-02T01:00:00Z" } }));
    let recovery = is(&facts, Standing::Good, "schedule nightly leaves 24 h between two backups");
    let point = recovery.point.unwrap();
    assert_eq!((point.backup.as_str(), point.claims, point.bytes), ("nightly-1", 1, Some(10)));
    assert_eq!(point.taken, "2026-01-02T01:00:10Z".parse().unwrap());
    assert_eq!(point.age, hours(11) - SignedDuration::from_secs(10));
    assert_eq!(point.survives, Survives::Cluster);
    assert_eq!(recovery.limit.unwrap().age, hours(24) + hours(24) / 10);
    let next = recovery.next.unwrap();
    assert_eq!((next.at, next.overdue), ("2026-01-03T01:00:00Z".parse().unwrap(), false));
}

#[test]
fn the_age_is_that_of_the_oldest_volume_of_the_newest_backup_that_has_them_all() {
    let mut facts = cluster();
    backup(&mut facts, "all", "02:00", &["data-db-0"]);
    backup(&mut facts, "newer", "11:00", &[]);
    schedule(&mut facts, "hourly", "0 * * * *", json!({ "status": { "lastBackup": "2026-01-02T11:59:00Z" } }));
    let lost = "claim data-db-0: the backup has no entry for this volume: its data was not taken, or its PersistentVolume is not in the backup";
    let because = format!("schedule hourly leaves 1 h between two backups; backup newer: {lost}");
    let point = is(&facts, Standing::Old, &because).point.unwrap();
    assert_eq!(point.backup, "all");
    assert_eq!(point.passed_over, [("newer".to_owned(), lost.to_owned())]);
}

#[test]
fn what_the_user_allows_counts_before_any_schedule() {
    let mut facts = cluster();
    backup(&mut facts, "one", "10:00", &["data-db-0"]);
    let rpo = |hours| Some(Limit { age: self::hours(hours), because: "--rpo".to_owned() });
    assert_eq!(judged_with(&facts, rpo(1)).standing, Standing::Old);
    assert_eq!(judged_with(&facts, rpo(2)).standing, Standing::Good);
    schedule(
        &mut facts,
        "nightly",
        "0 1 * * *",
        json!({ "metadata": { "creationTimestamp": "2026-01-02T02:00:00Z" } }),
    );
    assert_eq!(judged_with(&facts, rpo(1)).standing, Standing::Old);
}

#[test]
fn the_schedule_that_runs_most_often_tells_how_old_the_data_may_be() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    for (name, cron) in [("weekly", "0 1 * * 0"), ("hours", "@every 2h"), ("nightly", "0 1 * * *")] {
        schedule(&mut facts, name, cron, json!({}));
    }
    is(&facts, Standing::Good, "schedule hours leaves 2 h between two backups");
}

#[test]
fn without_a_schedule_nothing_is_good_unless_somebody_says_how_old_it_may_be() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:59", &["data-db-0"]);
    is(&facts, Standing::NoSchedule, "no schedule includes it");
    schedule(&mut facts, "other", "0 1 * * *", json!({ "spec": { "template": { "includedNamespaces": ["books"] } } }));
    is(&facts, Standing::NoSchedule, "no schedule includes it");
    schedule(&mut facts, "paused", "0 1 * * *", json!({ "spec": { "paused": true } }));
    is(&facts, Standing::NoSchedule, "schedule paused takes nothing: it is paused (remove spec.paused: true)");
}

#[test]
fn a_schedule_that_cannot_run_is_none() {
    let because = |cron: &str| {
        let mut facts = cluster();
        backup(&mut facts, "one", "11:59", &["data-db-0"]);
        schedule(&mut facts, "s", cron, json!({}));
        let recovery = judged(&facts);
        assert_eq!((recovery.standing, recovery.next), (Standing::NoSchedule, None), "{cron}");
        recovery.because
    };
    assert!(
        because("61 1 * * *").starts_with("schedule s takes nothing: Velero does not accept"),
        "{}",
        because("61 1 * * *")
    );
    let never = "schedule s takes nothing: its cron expression matches no time, and Velero makes a backup every minute";
    assert_eq!(because("0 0 30 2 *"), never);
    assert_eq!(because("CRON_TZ=No/Where 0 1 * * *"), "schedule s takes nothing: its time zone No/Where is not known");
}

#[test]
fn a_ttl_in_days_anywhere_stops_every_schedule() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:59", &["data-db-0"]);
    schedule(&mut facts, "nightly", "0 1 * * *", json!({}));
    let elsewhere = json!({ "includedNamespaces": ["books"], "ttl": "30d" });
    schedule(&mut facts, "elsewhere", "0 2 * * *", json!({ "spec": { "template": elsewhere } }));
    let recovery = judged(&facts);
    assert_eq!(recovery.standing, Standing::NoSchedule);
    let because = "schedule nightly takes nothing: with spec.template.ttl \"30d\" of Schedule elsewhere";
    assert!(recovery.because.starts_with(because), "{}", recovery.because);
}

#[test]
fn every_so_often_counts_from_the_last_backup_and_not_from_now() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    let last = json!({ "status": { "lastBackup": "2026-01-02T11:00:00Z" } });
    schedule(&mut facts, "often", "@every 6h", last);
    let next = judged(&facts).next.unwrap();
    assert_eq!((next.at.to_string().as_str(), next.overdue), ("2026-01-02T17:00:00Z", false));
}

#[test]
fn a_backup_that_was_due_and_not_made_is_told_although_the_data_is_young_enough() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    let last = json!({ "status": { "lastBackup": "2026-01-01T11:50:00Z" } });
    schedule(&mut facts, "daily", "50 11 * * *", last);
    let next = is(&facts, Standing::Overdue, "schedule daily was due and made no backup").next.unwrap();
    assert_eq!((next.at, next.overdue), ("2026-01-02T11:50:00Z".parse().unwrap(), true));
    // It waits for the one that it is making.
    push(
        &mut facts,
        Kind::Backup,
        json!({ "kind": "Backup", "metadata": { "name": "running", "namespace": "velero",
                                                "labels": { "velero.io/schedule-name": "daily" } },
                "spec": { "includedNamespaces": ["shop"] },
                "status": { "phase": "InProgress", "startTimestamp": "2026-01-02T11:00:00Z" } }),
    );
    assert_eq!(judged(&facts).standing, Standing::Good);
}

#[test]
fn velero_has_a_few_minutes_for_what_is_due() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    schedule(&mut facts, "s", "57 * * * *", json!({ "status": { "lastBackup": "2026-01-02T10:57:00Z" } }));
    assert_eq!(judged(&facts).standing, Standing::Good);
}

#[test]
fn a_schedule_runs_by_the_clock_of_its_zone() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    schedule(&mut facts, "s", "CRON_TZ=Test/EastByTwo 0 1 * * *", json!({}));
    assert_eq!(judged(&facts).next.unwrap().at, "2026-01-02T23:00:00Z".parse().unwrap());
}

#[test]
fn a_schedule_without_a_zone_runs_by_the_clock_of_veleros_server() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    schedule(&mut facts, "s", "0 1 * * *", json!({}));
    assert_eq!(judged(&facts).next.unwrap().at, "2026-01-03T01:00:00Z".parse().unwrap());
    let container =
        json!({ "command": ["/velero"], "args": ["server"], "env": [{ "name": "TZ", "value": "Test/EastByTwo" }] });
    let object = json!({ "metadata": { "name": "velero", "namespace": "velero" },
                         "spec": { "template": { "spec": { "containers": [container] } } } });
    push(&mut facts, Kind::Deployment, object);
    assert_eq!(judged(&facts).next.unwrap().at, "2026-01-02T23:00:00Z".parse().unwrap());
}

#[test]
fn what_cannot_be_read_is_unknown_and_not_lost() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    facts.documents.get_mut("one").unwrap().volume_infos = Document::Failed("the object store answers 403".to_owned());
    let because = "its list of volumes cannot be read from the object store: the object store answers 403";
    is(&facts, Standing::Unknown, &format!("backup one: {because}"));
    facts.objects.insert(Kind::PodVolumeBackup, Listed::Forbidden("not yours".to_owned()));
    backup(&mut facts, "two", "11:30", &["data-db-0"]);
    is(&facts, Standing::Unknown, "facts: cannot list podvolumebackups.velero.io: not yours");
    facts.objects.insert(Kind::Schedule, Listed::Forbidden("not yours".to_owned()));
    is(&facts, Standing::Unknown, "cannot list schedules.velero.io: not yours");
}

#[test]
fn data_of_a_time_that_is_still_to_come_has_no_age() {
    let mut facts = cluster();
    schedule(&mut facts, "nightly", "0 1 * * *", json!({}));
    backup(&mut facts, "late", "12:01", &["data-db-0"]);
    assert_eq!(judged(&facts).standing, Standing::Good);
    backup(&mut facts, "later", "12:06", &["data-db-0"]);
    let because = "its data is of 2026-01-02T12:06:10Z, which is still to come: a clock is wrong";
    is(&facts, Standing::Unknown, because);
}

#[test]
fn a_namespace_that_no_backup_gives_back_has_nothing() {
    let mut facts = cluster();
    is(&facts, Standing::Nothing, "namespace shop: no backup includes it");
    backup(&mut facts, "empty", "11:00", &[]);
    let lost =
        "the backup has no entry for this volume: its data was not taken, or its PersistentVolume is not in the backup";
    is(&facts, Standing::Nothing, &format!("backup empty: claim data-db-0: {lost}"));
}

#[test]
fn a_store_inside_the_cluster_is_lost_with_it() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    for (url, survives) in [
        ("http://minio.velero.svc:9000", Survives::Namespace),
        ("http://minio:9000/", Survives::Namespace),
        ("https://minio.velero.svc.cluster.local", Survives::Namespace),
        ("http://minio.test:9000", Survives::Namespace),
        ("http://10.96.14.3:9000", Survives::Namespace),
        ("http://172.31.0.9:9000", Survives::Namespace),
        ("http://203.0.113.9:9000", Survives::Cluster),
        ("https://s3.example.com:9000", Survives::Cluster),
        ("https://example.com", Survives::Cluster),
    ] {
        location(&mut facts, url);
        assert_eq!(judged(&facts).point.unwrap().survives, survives, "{url}");
    }
}

#[test]
fn namespaces_with_claims_are_those_that_have_some_or_ask_for_some() {
    let mut facts = cluster();
    let template = json!({ "spec": { "volumes": [{ "persistentVolumeClaim": { "claimName": "files" } }] } });
    let metadata = |namespace: &str| json!({ "name": "x", "namespace": namespace });
    push(&mut facts, Kind::Deployment, json!({ "metadata": metadata("asks"), "spec": { "template": template } }));
    push(&mut facts, Kind::Deployment, json!({ "metadata": metadata("none"), "spec": { "template": { "spec": {} } } }));
    push(&mut facts, Kind::PersistentVolumeClaim, json!({ "metadata": metadata("has"), "spec": {} }));
    let named: BTreeSet<String> = ["asks", "has", "shop"].map(str::to_owned).into();
    assert_eq!(namespaces(&facts), Ok(named));
}

#[test]
fn a_restore_would_take_the_same_backup() {
    let mut facts = cluster();
    backup(&mut facts, "old", "01:00", &["data-db-0"]);
    backup(&mut facts, "good", "05:00", &["data-db-0"]);
    backup(&mut facts, "newest", "09:00", &[]);
    let Ok(Choice::Take(chosen)) = choose(&facts, &Request::default()) else { panic!("nothing is chosen") };
    let Ok(Newest::Found(found)) = covering(&facts, &Request::default()) else { panic!("nothing is found") };
    assert_eq!((found.backup, found.volumes, found.passed_over), (chosen.backup, chosen.volumes, chosen.passed_over));
}

/// What a schedule with this template comes to, with a backup that is an hour old.
fn by_template(template: Value) -> Recovery {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    schedule(&mut facts, "s", "0 * * * *", json!({ "spec": { "template": template } }));
    judged(&facts)
}

#[test]
fn a_schedule_that_does_not_take_the_data_is_no_schedule_and_sets_no_age() {
    let shop = |more: Value| {
        let mut template = json!({ "includedNamespaces": ["shop"] });
        template.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        template
    };
    let cases = [
        (
            shop(json!({ "snapshotVolumes": false })),
            "schedule s does not take claim data-db-0: snapshotVolumes is false",
        ),
        (
            shop(json!({ "labelSelector": { "matchLabels": { "app": "web" } } })),
            "schedule s does not take claim data-db-0: ",
        ),
        (shop(json!({ "includedResources": ["deployments"] })), "schedule s does not take claim data-db-0: "),
        (shop(json!({ "storageLocation": "elsewhere" })), "schedule s does not take claim data-db-0: "),
    ];
    for (template, because) in cases {
        let recovery = by_template(template.clone());
        let told = (recovery.standing, &recovery.limit, &recovery.next);
        assert_eq!(told, (Standing::NoSchedule, &None, &None), "{template}: {}", recovery.because);
        assert!(recovery.because.starts_with(because), "{template}: {}", recovery.because);
    }
    assert_eq!(by_template(shop(json!({}))).standing, Standing::Good);
    let file_copies = by_template(shop(json!({ "snapshotVolumes": false, "defaultVolumesToFsBackup": true })));
    assert_eq!(file_copies.standing, Standing::NoSchedule, "no node-agent runs: {}", file_copies.because);
    let matching = shop(json!({ "labelSelector": { "matchLabels": { "app": "db" } } }));
    assert_eq!(by_template(matching).standing, Standing::Good, "the pod brings its claim along");
}

#[test]
fn of_two_schedules_the_one_that_takes_everything_tells_how_old_the_data_may_be() {
    let mut facts = cluster();
    claim(&mut facts, "files");
    backup(&mut facts, "one", "02:00", &["data-db-0", "files"]);
    schedule(&mut facts, "nightly", "0 1 * * *", json!({}));
    let template = json!({ "includedNamespaces": ["shop"], "labelSelector": { "matchLabels": { "app": "db" } } });
    schedule(&mut facts, "hourly", "0 * * * *", json!({ "spec": { "template": template } }));
    let recovery = is(&facts, Standing::Good, "schedule nightly leaves 24 h between two backups");
    assert_eq!(recovery.next.unwrap().schedule, "nightly");
}

#[test]
fn a_claim_that_is_not_there_is_in_no_next_backup() {
    let mut facts = cluster();
    facts.objects.insert(Kind::PersistentVolumeClaim, Listed::Objects(Vec::new()));
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    schedule(&mut facts, "s", "0 * * * *", json!({}));
    is(&facts, Standing::NoSchedule, "schedule s does not take claim data-db-0: there is no such claim now");
}

#[test]
fn a_schedule_for_other_namespaces_is_not_told_of_by_names_and_by_patterns() {
    for included in [json!(["books"]), json!(["bo*"]), json!(["bo?ks"])] {
        let recovery = by_template(json!({ "includedNamespaces": included }));
        assert_eq!(
            (recovery.standing, recovery.because.as_str()),
            (Standing::NoSchedule, "no schedule includes it"),
            "{included}"
        );
    }
    assert_eq!(by_template(json!({ "includedNamespaces": ["sh?p"] })).standing, Standing::Good);
}

#[test]
fn what_decides_whether_a_schedule_takes_the_data_and_is_not_known_is_never_good() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    schedule(&mut facts, "s", "0 * * * *", json!({}));
    let unknown = Velero { server: Err("the image does not tell".to_owned()), ..velero() };
    let recovery = judged_by(&facts, None, &unknown);
    let because = "whether schedule s takes its data is not known: the image does not tell";
    assert_eq!((recovery.standing, recovery.because.as_str()), (Standing::Unknown, because));
    assert!(recovery.point.is_some(), "what there is is told");
    let rpo = Some(Limit { age: hours(2), because: "--rpo".to_owned() });
    assert_eq!(judged_by(&facts, rpo, &unknown).standing, Standing::Good, "the user says how old it may be");
    facts.objects.insert(Kind::Pod, Listed::Forbidden("not yours".to_owned()));
    is(&facts, Standing::Unknown, "whether schedule s takes its data is not known: cannot list pods: not yours");
}

#[test]
fn policies_that_a_schedule_names_decide_and_are_unknown_until_they_are_read() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    let template = json!({ "includedNamespaces": ["shop"], "resourcePolicy": { "kind": "configmap", "name": "p" } });
    schedule(&mut facts, "s", "0 * * * *", json!({ "spec": { "template": template } }));
    assert_eq!(judged(&facts).standing, Standing::Unknown);
    let skip = json!({ "version": "v1", "volumePolicies": [
        { "conditions": { "storageClass": ["fast"] }, "action": { "type": "skip" } }] });
    let read = Velero { policies: BTreeMap::from([("p".to_owned(), Policies::Read(skip))]), ..velero() };
    let recovery = judged_by(&facts, None, &read);
    assert_eq!(recovery.standing, Standing::NoSchedule);
    assert!(recovery.because.starts_with("schedule s does not take claim data-db-0: "), "{}", recovery.because);
}

#[test]
fn a_claim_that_is_left_need_not_be_taken() {
    let mut facts = cluster();
    claim(&mut facts, "cache");
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    let template = json!({ "includedNamespaces": ["shop"], "labelSelector": { "matchLabels": { "app": "db" } } });
    schedule(&mut facts, "s", "0 * * * *", json!({ "spec": { "template": template } }));
    let leave = vec!["cache".to_owned()];
    let request = Request { leave: leave.clone(), ..Request::default() };
    let Ok(Newest::Found(found)) = covering(&facts, &request) else { panic!("nothing is found") };
    let velero = velero();
    let judged = |leave| judge(&facts, Ok(&found), &Asked { rpo: None, leave, velero: &velero }, &|_| None);
    assert_eq!(judged(leave).standing, Standing::Good);
    assert_eq!(judged(Vec::new()).standing, Standing::NoSchedule);
}

#[test]
fn a_list_that_could_not_be_read_is_unknown_however_many_newer_backups_failed_otherwise() {
    let mut facts = cluster();
    for hour in 1..=7 {
        backup(&mut facts, &format!("b{hour}"), &format!("0{hour}:00"), &[]);
    }
    facts.documents.get_mut("b1").unwrap().volume_infos = Document::Failed("answered 403".to_owned());
    let because =
        "backup b1: its list of volumes cannot be read from the object store: answered 403, and 6 more reasons";
    is(&facts, Standing::Unknown, because);
    facts.documents.get_mut("b1").unwrap().volume_infos = Document::Read(Vec::new());
    assert_eq!(judged(&facts).standing, Standing::Nothing);
}

#[test]
fn a_velero_that_starts_no_backup_makes_no_schedule_count() {
    let mut facts = cluster();
    backup(&mut facts, "one", "11:00", &["data-db-0"]);
    schedule(&mut facts, "s", "0 * * * *", json!({}));
    assert_eq!(judged(&facts).standing, Standing::Good);
    let queued = json!({ "kind": "Backup", "metadata": { "name": "stuck", "namespace": "velero", "creationTimestamp": "2026-01-02T11:00:00Z" },
                         "spec": { "includedNamespaces": ["elsewhere"] }, "status": { "phase": "Queued" } });
    push(&mut facts, Kind::Backup, queued);
    let because = "schedule s takes nothing: Velero starts no backup any more: stuck has been queued since \
                   2026-01-02T11:00:00Z, and none runs (start its server anew: kubectl -n velero rollout restart \
                   deployment/velero)";
    is(&facts, Standing::NoSchedule, because);
}

#[test]
fn the_server_is_that_of_the_deployment_that_runs_it() {
    let mut facts = cluster();
    assert_eq!(server(&facts, None), Err("no Deployment in namespace velero runs Velero's server".to_owned()));
    let image = |image: &str| {
        json!({ "metadata": { "name": "velero", "namespace": "velero" }, "spec": { "template": { "spec": {
            "containers": [{ "name": "velero", "image": image, "args": ["server", "--features=EnableCSI"] }] } } } })
    };
    push(&mut facts, Kind::Deployment, image("velero/velero@sha256:1"));
    let untold = "the image velero/velero@sha256:1 does not tell Velero's version; --velero-version names it";
    assert_eq!(server(&facts, None), Err(untold.to_owned()));
    assert_eq!(server(&facts, Some(Version::NEWEST)).map(|server| server.csi), Ok(true));
}
