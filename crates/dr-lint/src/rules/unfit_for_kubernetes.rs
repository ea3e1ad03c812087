//! An object of Kubernetes itself does not fit its schema.

use crate::finding::Draft;
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};
use crate::schema;

pub(super) const RULE: Rule = Rule {
    id: "unfit-for-kubernetes",
    family: Family::Schema,
    severity: Severity::Warning,
    appetite: Appetite::Pedantic,
    summary: "An object of Kubernetes itself does not fit its schema.",
    costs: "The API server refuses it, or drops the field without a word when a controller applies it: the application is another one than the backup was judged against.",
    proven: "What Kubernetes 1.34.2 publishes of its kinds (api/openapi-spec/swagger.json), on those that rules look at.",
    fix: Fixable::Unsafe,
    page: include_str!("../../../../docs/rules/unfit-for-kubernetes.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    out.extend(schema::of_kubernetes(context));
}
