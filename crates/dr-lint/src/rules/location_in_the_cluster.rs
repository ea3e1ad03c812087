//! Backups are kept in the cluster that they are of.

use dr_core::kind::Kind;
use dr_yaml::Path;

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "location-in-the-cluster",
    family: Family::Storage,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "Backups are kept in the cluster that they are of.",
    costs: "With the cluster its backups are gone, and with the namespace of the object store as well.",
    proven: "A name that ends with .svc or .svc.cluster.local is resolved by the cluster's own DNS alone.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/location-in-the-cluster.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for object in context.of(Kind::BackupStorageLocation) {
        let Some(url) = object.raw.str_at("/spec/config/s3Url") else { continue };
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.split(['/', ':', '?']).next().unwrap_or("");
        let labels: Vec<&str> = host.split('.').collect();
        if matches!(labels.as_slice(), [_, .., "svc"] | [_, .., "svc", "cluster", "local"]) {
            let message = format!("{host} is a Service of the cluster itself: what is kept there is lost with it");
            out.push(on(object, Path::keys("spec.config.s3Url"), message));
        }
    }
}
