//! A location has credentials in its config.

use dr_yaml::Path;

use crate::finding::{Draft, on_key};
use crate::json::Value;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "credentials-in-the-clear",
    family: Family::Storage,
    severity: Severity::Error,
    appetite: Appetite::Default,
    summary: "A location has credentials in its config.",
    costs: "They are in Git and in every listing of the cluster; and the plugin refuses a key that it does not know, so the location is Unavailable as well.",
    proven: "Velero 1.18.1 BackupStorageLocation has spec.credential for a Secret's key; velero-plugin-for-aws 1.14 validateConfigKeys refuses other keys.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/credentials-in-the-clear.md"),
    check,
};

const NAMES: [&str; 11] = [
    "accesskey",
    "accesskeyid",
    "secretkey",
    "secretaccesskey",
    "awsaccesskeyid",
    "awssecretaccesskey",
    "password",
    "token",
    "sastoken",
    "storageaccountkey",
    "storageaccountaccesskey",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.judged().filter(|object| object.is_velero()) {
        if !matches!(object.raw.str_at("/kind"), Some("BackupStorageLocation" | "VolumeSnapshotLocation")) {
            continue;
        }
        let config = object.raw.at("/spec/config").and_then(Value::as_object);
        for (key, _) in config.into_iter().flatten() {
            if is_credential(key) {
                let message = "credentials belong into a Secret that spec.credential names";
                out.push(on_key(object, Path::keys("spec.config").key(key), message));
            }
        }
    }
}

/// Whether a key of a location's config is the name of a password.
pub(crate) fn is_credential(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    NAMES.contains(&plain.to_ascii_lowercase().as_str())
}
