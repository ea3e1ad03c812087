//! Backups and Schedules in a file, before they are applied.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use dr_core::kind::Kind;
use dr_core::object::{Object, string_map};
use dr_core::refusal::Reason;
use dr_core::select::Version;
use dr_lint::{File, Finding, Input, Settings};

use crate::exit::Exit;
use crate::report::Failure;

/// Rules of the linter under which a manifest is not what it says: the API server refuses it, or drops a part of it.
const FATAL: [&str; 7] = [
    "unreadable-document",
    "dropped-document",
    "duplicate-key",
    "unknown-field",
    "wrong-type",
    "missing-field",
    "unknown-value",
];

/// One file, as kubectl reads it.
pub(crate) struct Manifest {
    name: String,
    input: Input,
}

impl Manifest {
    /// Reads a file, or standard input for `-`, and refuses what no Velero could take.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let stdin = path == Path::new("-");
        let name = if stdin { "standard input".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = if stdin {
            std::io::stdin().lock().read_to_end(&mut bytes)
        } else {
            std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
        };
        read.map_err(|error| Failure::failed(format!("cannot read {name}"), error).with_exit(Exit::Usage))?;
        Ok(Self::of(name, &bytes))
    }

    pub(crate) fn of(name: String, bytes: &[u8]) -> Self {
        let mut input = Input::default();
        input.add(name.as_str(), bytes, false);
        Self { name, input }
    }

    /// The Backups and Schedules in it, as a server of this version takes them.
    pub(crate) fn backups(&self, version: Option<Version>) -> Result<Vec<Object>, Failure> {
        let Self { name, input } = self;
        if input.files.iter().any(|file| file.template) {
            let hint = "render it first: helm template CHART | kubectl dr backup coverage --ns NAMESPACE -f -";
            return Err(Failure::usage(format!("{name} is a template of Helm, not a manifest")).hint(hint));
        }
        let faults = self.faults(version);
        if !faults.is_empty() {
            let mut failure = Failure::usage(format!("{name} cannot be judged"));
            failure.reasons = faults;
            return Err(failure);
        }
        let backups = input.objects.iter().filter(|object| {
            object.is_velero() && (object.kind == Some(Kind::Backup) || object.kind == Some(Kind::Schedule))
        });
        let found: Vec<Object> = backups.map(|object| Object(object.raw.0.loose())).collect();
        if found.is_empty() {
            let held: Vec<String> = input.objects.iter().map(dr_lint::Object::label).collect();
            let held = if held.is_empty() { "no manifest".to_owned() } else { held.join(", ") };
            let message = format!("{name} holds no Backup and no Schedule of velero.io, but {held}");
            return Err(Failure::usage(message));
        }
        match found.iter().find(|object| object.name().is_empty()) {
            Some(object) => {
                let kind = object.str_at("/kind").unwrap_or("Backup");
                Err(Failure::usage(format!("{name}: a {kind} has no metadata.name")))
            }
            None => Ok(found),
        }
    }

    fn faults(&self, version: Option<Version>) -> Vec<Reason> {
        let velero = version.and_then(|version| version.to_string().parse().ok()).unwrap_or_default();
        let judgement = dr_lint::judge(&self.input, &Settings { velero, ..Settings::default() });
        let silenced = judgement.silenced.iter().map(|silenced| &silenced.finding);
        let fatal = judgement.findings.iter().chain(silenced).filter(|finding| FATAL.contains(&finding.rule));
        let mut faults: Vec<&Finding> = fatal.collect();
        faults.sort_by_key(|finding| finding.span.start);
        let reason = |finding: &&Finding| Reason {
            subject: place(self.input.file_of(finding), finding.span.start),
            because: finding.message.clone(),
            hint: finding.fix.as_ref().map_or_else(String::new, |fix| fix.title.clone()),
        };
        faults.iter().map(reason).collect()
    }

    /// The data of a ConfigMap in the file, as it would lie in Velero's namespace.
    pub(crate) fn config(&self, velero: &str, name: &str) -> Option<BTreeMap<String, String>> {
        let mut objects = self.input.objects.iter().filter(|object| object.kind == Some(Kind::ConfigMap));
        let found = objects
            .find(|object| object.name() == name && object.raw.namespace().is_none_or(|namespace| namespace == velero));
        found.map(|object| string_map(object.raw.at("/data")))
    }
}

fn place(file: &File, offset: usize) -> String {
    let place = file.lines.place(&file.text, offset);
    format!("{}:{}:{}", file.name, place.line, place.column)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: &str = "\
apiVersion: velero.io/v1
kind: Schedule
metadata:
  name: nightly
  namespace: velero
spec:
  schedule: 0 1 * * *
  template:
    includedNamespaces: [shop]
    resourcePolicy: {kind: configmap, name: policies}
";

    fn read(text: &str) -> Manifest {
        Manifest::of("nightly.yaml".to_owned(), text.as_bytes())
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        colored::control::set_override(false);
        let failure = read(text).backups(None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        failure.render()
    }

    #[test]
    fn a_schedule_is_read_as_kubectl_reads_it_beside_whatever_else_there_is() {
        let text = format!(
            "{SCHEDULE}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: policies\ndata:\n  p: 'x: 1'\n"
        );
        let manifest = read(&text);
        let found = manifest.backups(None).unwrap();
        assert_eq!(found.iter().map(Object::name).collect::<Vec<_>>(), ["nightly"]);
        let policies = BTreeMap::from([("p".to_owned(), "x: 1".to_owned())]);
        assert_eq!(manifest.config("velero", "policies"), Some(policies));
        assert_eq!(manifest.config("velero", "others"), None);
    }

    #[test]
    fn what_velero_would_not_take_is_told_with_its_place() {
        let wrong = SCHEDULE.replace("includedNamespaces: [shop]", "includeNamespaces: [shop]\n    ttl: 5");
        insta::assert_snapshot!(refused(&wrong), @r#"
        error: nightly.yaml cannot be judged
          nightly.yaml:9:5: Velero has no field "includeNamespaces" here; the nearest is "includedNamespaces"
            hint: write includedNamespaces
          nightly.yaml:10:10: a string is wanted here, and this is the number 5
        "#);
        insta::assert_snapshot!(refused("apiVersion: velero.io/v1\nkind: [Backup\n"), @r"
        error: nightly.yaml cannot be judged
          nightly.yaml:2:7: unclosed bracket '['
        ");
    }

    #[test]
    fn a_field_counts_only_where_the_servers_version_has_it() {
        let group = SCHEDULE.replace("includedNamespaces: [shop]", "volumeGroupSnapshotLabelKey: group");
        assert!(read(&group).backups(Some(Version::new(1, 18, 3))).is_ok());
        assert!(read(&group).backups(Some(Version::new(1, 15, 2))).is_err());
    }

    #[test]
    fn a_file_without_a_backup_is_told_what_it_holds() {
        let other = "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: shop}\n";
        assert_eq!(
            refused(other),
            "error: nightly.yaml holds no Backup and no Schedule of velero.io, but Secret shop/key"
        );
        assert_eq!(refused(""), "error: nightly.yaml holds no Backup and no Schedule of velero.io, but no manifest");
        assert!(refused("{{ if .Values.backup }}\n").starts_with("error: nightly.yaml is a template of Helm"));
        let nameless = SCHEDULE.replace("  name: nightly\n", "");
        assert_eq!(refused(&nameless), "error: nightly.yaml: a Schedule has no metadata.name");
    }

    #[test]
    fn a_comment_that_silences_a_rule_does_not_make_a_field_exist() {
        let silenced = SCHEDULE.replace(
            "includedNamespaces: [shop]",
            "includeNamespaces: [shop] # dr-lint: ignore[unknown-field] we know better",
        );
        assert!(refused(&silenced).contains("nightly.yaml:9:5"), "{}", refused(&silenced));
    }
}
