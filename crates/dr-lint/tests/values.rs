//! Values of the Velero chart are judged as what the chart makes of them, at their own places.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test")]

use dr_lint::{Appetite, Input, Settings};

fn input(files: &[(&str, &str)]) -> Input {
    let mut input = Input::default();
    for (name, text) in files {
        input.add(*name, text.as_bytes(), false);
    }
    input
}

fn settings() -> Settings {
    Settings::default()
}

/// File, text at its place, rule and object of each finding.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    told_with(files, &settings())
}

fn told_with(files: &[(&str, &str)], settings: &Settings) -> Vec<String> {
    let input = input(files);
    let findings = dr_lint::judge(&input, settings).findings;
    let one = |finding: &dr_lint::Finding| {
        let file = input.file_of(finding);
        let object = finding.object.map(|id| input.objects[id].label()).unwrap_or_default();
        format!("{}: {} [{}] {object}", file.name, &file.text[finding.span.clone()], finding.rule)
    };
    findings.iter().map(one).collect()
}

const NIGHTLY: &str = "\
schedules:
  nightly:
    disabled: false
    schedule: 0 1 30 2 *
    template:
      ttl: 30d # a month
      includedNamespace: [shop]
      snapshotVolumes: true
";
const NIGHTLY_TOLD: [&str; 3] = [
    "0 1 30 2 * [cron-never-fires] Schedule velero-nightly",
    "30d [unreadable-duration] Schedule velero-nightly",
    "includedNamespace [unknown-field] Schedule velero-nightly",
];

fn indented(text: &str, by: usize) -> String {
    let margin = " ".repeat(by);
    text.lines().flat_map(|line| [&margin, line, "\n"]).collect()
}

#[test]
fn a_schedule_of_the_chart_is_judged_where_its_values_stand() {
    let wrapped = [
        NIGHTLY.to_owned(),
        format!("velero:\n{}", indented(NIGHTLY, 2)),
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{ name: velero, namespace: velero }}\n\
             spec:\n  chart: {{ spec: {{ chart: velero }} }}\n  values:\n{}",
            indented(NIGHTLY, 4)
        ),
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{ name: velero, namespace: argocd }}\n\
             spec:\n  destination: {{ namespace: velero }}\n  source:\n    chart: velero\n    helm:\n      valuesObject:\n{}",
            indented(NIGHTLY, 8)
        ),
    ];
    for (at, text) in wrapped.iter().enumerate() {
        // The chart's own values name no namespace.
        let name = if at < 2 { "Schedule velero-nightly" } else { "Schedule velero/velero-nightly" };
        let told_of = NIGHTLY_TOLD.map(|told| format!("v: {}", told.replace("Schedule velero-nightly", name)));
        assert_eq!(told(&[("v", text)]), told_of, "{text}");
    }
}

#[test]
fn of_an_application_each_source_is_looked_at_and_values_that_are_a_text_are_read() {
    let application = |source: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{ name: velero, namespace: argocd }}\n\
             spec:\n  destination: {{ namespace: velero }}\n{source}"
        )
    };
    let several = format!(
        "  sources:\n  - path: apps\n  - chart: velero\n    helm:\n      valuesObject:\n{}",
        indented(NIGHTLY, 8)
    );
    let told_of = NIGHTLY_TOLD
        .map(|told| format!("v: {}", told.replace("Schedule velero-nightly", "Schedule velero/velero-nightly")));
    assert_eq!(told(&[("v", &application(&several))]), told_of);

    let text = |chart: &str| {
        application(&format!("  source:\n    chart: {chart}\n    helm:\n      values: |\n{}", indented(NIGHTLY, 8)))
    };
    let input = input(&[("v", &text("velero"))]);
    let judgement = dr_lint::judge(&input, &settings());
    let (file, key) = (&input.files[0], "values");
    let begins = file.text.find("values: |").unwrap();
    assert_eq!(judgement.findings.len(), NIGHTLY_TOLD.len());
    for finding in &judgement.findings {
        assert_eq!((finding.span.start, finding.span.end), (begins, begins + key.len()), "{}", finding.message);
        assert_eq!(finding.fix, None, "{}", finding.message);
    }
    assert_eq!(told(&[("v", &text("another"))]), [""; 0]);
}

#[test]
fn what_the_chart_makes_nothing_of_and_what_is_only_a_part_is_left_alone() {
    let off = NIGHTLY.replace("disabled: false", "disabled: true");
    let part = NIGHTLY.replace("    schedule: 0 1 30 2 *\n", "");
    let own = "configuration:\n  backupStorageLocation:\n  - name:\n    provider:\n    bucket:\n";
    let no_backups =
        "backupsEnabled: false\nconfiguration:\n  backupStorageLocation:\n  - { provider: aws, bucket: b, prefx: c }\n";
    let other = "schedules:\n  weekly:\n    schedule: '@weekly'\n    template: { image: job:1, ttl_days: 30d }\n";
    for text in [&off, &part, own, no_backups, other] {
        assert_eq!(told(&[("v", text)]), [""; 0], "{text}");
        assert_eq!(dr_lint::judge(&input(&[("v", text)]), &settings()).judged, 0, "{text}");
    }
}

const LOCATIONS: &str = "\
configuration:
  backupStorageLocation:
  - provider: aws
    bucket: backups
    default: true
    prefix:
    config: { region: eu, s3ForcePathStyle: \"true\" }
  - name: second
    provider: aws
    bucket: backups
    default: true
    accesMode: ReadWrite
    config: { region: eu, s3ForcePathStyle: true }
";

#[test]
fn locations_of_one_release_are_held_against_each_other_and_those_of_two_files_are_not() {
    assert_eq!(
        told(&[("v", LOCATIONS)]),
        [
            "v: backups [location-twice] BackupStorageLocation default",
            "v: true [several-default-locations] BackupStorageLocation default",
            "v: backups [location-twice] BackupStorageLocation second",
            "v: true [several-default-locations] BackupStorageLocation second",
            "v: accesMode [unknown-field] BackupStorageLocation second",
        ]
    );
    let one = |name: &str| {
        format!(
            "configuration:\n  backupStorageLocation:\n  - {{ name: {name}, provider: aws, bucket: b, default: true }}\n"
        )
    };
    assert_eq!(told(&[("production", &one("a")), ("staging", &one("b"))]), [""; 0]);
}

#[test]
fn the_server_of_the_same_values_decides_what_is_left_out() {
    let schedule = "schedules:\n  nightly:\n    schedule: 0 1 * * *\n    template: { includedNamespaces: [shop], snapshotVolumes: false, ttl: 720h }\n";
    let files = format!("configuration:\n  defaultVolumesToFsBackup: true\n{schedule}");
    let none = format!("configuration:\n  defaultVolumesToFsBackup: false\n{schedule}");
    let settings = Settings { appetite: Appetite::Pedantic, ..Settings::default() };
    let off = |files: &[(&str, &str)]| {
        let mut told = told_with(files, &settings);
        told.retain(|told| told.contains("snapshots-off"));
        told
    };
    assert_eq!(off(&[("files", &files)]), [""; 0]);
    let told = ["none: false [snapshots-off] Schedule velero-nightly"];
    assert_eq!(off(&[("files", &files), ("none", &none)]), told);
    assert_eq!(off(&[("none", &none), ("files", &files)]), told);
}

const APP: &str = "\
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: shop, labels: { tier: data } }
spec:
  selector: { matchLabels: { app: db } }
  template: { metadata: { labels: { app: db } }, spec: { containers: [{ name: c, image: i }] } }
  volumeClaimTemplates: [{ metadata: { name: data }, spec: { accessModes: [ReadWriteOnce] } }]
";

#[test]
fn the_schedule_of_one_environment_does_not_hide_what_that_of_another_loses() {
    let whole =
        "schedules:\n  nightly:\n    schedule: 0 2 * * *\n    template: { ttl: 720h, includedNamespaces: [shop] }\n";
    let by_tier = whole.replace("[shop] }", "[shop], labelSelector: { matchLabels: { tier: data } } }");
    let lost = |files: &[(&str, &str)]| told(files).iter().filter(|told| told.contains("[volume-left-out]")).count();
    assert_eq!(lost(&[("app", APP), ("production", &by_tier)]), 1);
    assert_eq!(lost(&[("app", APP), ("production", &by_tier), ("staging", whole)]), 1);
}

#[test]
fn values_are_not_held_against_what_they_are_rendered_to() {
    let rendered = "apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: { name: default, namespace: backups }\n\
                    spec: { provider: aws, default: true, objectStorage: { bucket: b } }\n";
    let values = "configuration:\n  backupStorageLocation:\n  - { provider: aws, bucket: b, default: true }\n";
    assert_eq!(told(&[("rendered", rendered), ("values", values)]), [""; 0]);
}

#[test]
fn a_fix_is_made_in_the_values_and_leaves_the_rest_as_it_is() {
    let input = input(&[("v", NIGHTLY)]);
    let findings = dr_lint::judge(&input, &settings()).findings;
    let fixable: Vec<_> = findings.iter().filter(|finding| finding.rule == "unreadable-duration").collect();
    let (text, made) = dr_lint::fix::apply(&input, 0, &fixable).unwrap();
    assert_eq!((text, made), (NIGHTLY.replace("30d #", "720h #"), 1));
}

#[test]
fn a_comment_in_the_values_silences() {
    let text = NIGHTLY.replace("# a month", "# dr-lint: ignore[unreadable-duration] the server is patched");
    let left = told(&[("v", &text)]);
    assert_eq!(left, [NIGHTLY_TOLD[0], NIGHTLY_TOLD[2]].map(|told| format!("v: {told}")));
}

#[test]
fn policies_and_objects_that_the_chart_only_passes_on_are_judged_too() {
    let text = "\
schedules:
  nightly:
    schedule: 0 1 * * *
    template:
      includedNamespaces: [shop]
      ttl: 720h
      resourcePolicy: { kind: configmap, name: velero-policies }
configMaps:
  policies:
    data:
      policies.yaml: |
        version: v1
        volumePolicies:
        - conditions: { capacity: '100Gi,0' }
          action: { type: skp }
extraObjects:
- apiVersion: velero.io/v1
  kind: Backup
  metadata: { name: once, namespace: velero }
  spec: { ttl: 30d, includedNamespaces: [shop] }
- apiVersion: velero.io/v1
  kind: Backup
  metadata: { name: \"{{ .Release.Name }}\" }
  spec: { ttl: 30d }
";
    let told = told(&[("v", text)]);
    assert!(told.iter().any(|told| told.contains("ConfigMap velero-policies")), "{told:#?}");
    let backups: Vec<_> = told.iter().filter(|told| told.contains(" Backup ")).collect();
    assert_eq!(backups, ["v: 30d [unreadable-duration] Backup velero/once"]);
}
