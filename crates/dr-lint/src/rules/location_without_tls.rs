//! Backups travel without encryption, or to a server that nobody checks.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "location-without-tls",
    family: Family::Storage,
    severity: Severity::Warning,
    appetite: Appetite::Pedantic,
    summary: "Backups travel without encryption, or to a server that nobody checks.",
    costs: "Secrets of the cluster are in every backup: whoever is on the way reads them, and with insecureSkipTLSVerify may be the server.",
    proven: "velero-plugin-for-aws 1.14 object_store.go: s3Url is taken as it is; insecureSkipTLSVerify \"true\" turns the check of certificates off.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/location-without-tls.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::BackupStorageLocation) {
        let at =
            |field: &str| (object.raw.str_at(&format!("/spec/config/{field}")), Path::keys("spec.config").key(field));
        if let (Some(url), path) = at("s3Url")
            && url.starts_with("http://")
        {
            out.push(on(object, path, "no encryption on the way to the object store"));
        }
        if let (Some("true"), path) = at("insecureSkipTLSVerify") {
            out.push(on(object, path, "the object store's certificate is not looked at"));
        }
    }
}
