//! What is documented of the rules is what the engine follows.

use std::collections::BTreeSet;

use dr_core::select::{Feature, Rule};

const DOCUMENT: &str = include_str!("../../../../docs/coverage.md");

#[test]
fn every_rule_is_documented_with_its_meaning_and_source() {
    for rule in Rule::ALL {
        let line = format!("| `{}` | {} | `{}` |", rule.id(), rule.means(), rule.source());
        assert!(DOCUMENT.contains(&line), "docs/coverage.md lacks: {line}");
    }
    let documented = DOCUMENT.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 2);
    assert_eq!(documented.count(), Rule::ALL.len());
}

#[test]
fn every_difference_between_versions_is_documented() {
    for feature in Feature::ALL {
        let line = format!("| {} | {} | `{}` |", feature.since(), feature.what(), feature.source());
        assert!(DOCUMENT.contains(&line), "docs/coverage.md lacks: {line}");
    }
}

#[test]
fn no_two_rules_have_one_id() {
    let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    assert_eq!(ids.len(), Rule::ALL.len());
}
