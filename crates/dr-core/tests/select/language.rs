//! Globs, quantities, versions and names of types.

use dr_core::quantity::Quantity;
use dr_core::select::glob::Glob;
use dr_core::select::{Resources, Version};
use proptest::prelude::*;

#[test]
fn globs_match_as_gobwas_does() {
    for (pattern, yes, no) in [
        ("*", vec!["", "a", "a.b"], vec![]),
        ("shop-*", vec!["shop-", "shop-eu"], vec!["shop", "xshop-a"]),
        ("?", vec!["a", "*"], vec!["", "ab"]),
        ("[a-c]x", vec!["ax", "cx"], vec!["dx", "x"]),
        ("[!a]x", vec!["bx"], vec!["ax"]),
        ("[abc-]", vec!["-", "a"], vec!["d"]),
        ("{pods,secrets}", vec!["pods", "secrets"], vec!["pod"]),
        ("*.{apps,batch}", vec!["jobs.batch"], vec!["jobs"]),
        ("a\\*", vec!["a*"], vec!["ab"]),
        // Begins with and ends with, each on its own.
        ("ab*ba", vec!["aba", "abba"], vec!["ab"]),
        ("a*b*c", vec!["abc", "axbxc"], vec!["ac"]),
    ] {
        let glob = Glob::new(pattern).expect(pattern);
        assert!(yes.iter().all(|text| glob.matches(text)), "{pattern} {yes:?}");
        assert!(!no.iter().any(|text| glob.matches(text)), "{pattern} {no:?}");
    }
    for pattern in ["[", "[]", "[a-", "[c-a]", "[a-cx]"] {
        assert!(Glob::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn quantities_compare_across_their_suffixes() {
    let quantity = |text: &str| Quantity::parse(text).expect(text);
    assert_eq!(quantity("1Gi"), quantity("1024Mi"));
    assert_eq!(quantity("1.5G"), quantity("1500M"));
    assert_eq!(quantity("1e3"), quantity("1k"));
    assert!(quantity("100m") < quantity("1") && quantity("1G") < quantity("1Gi"));
    for text in ["", "Gi", "1X", "1 Gi", "1.2.3", "-"] {
        assert!(Quantity::parse(text).is_err(), "{text}");
    }
}

#[test]
fn versions_are_read_from_tags() {
    let version = |text: &str| text.parse::<Version>().ok();
    assert_eq!(version("v1.18.3"), Some(Version::new(1, 18, 3)));
    assert_eq!(version("1.17"), Some(Version::new(1, 17, 0)));
    assert_eq!(version("v1.18.0-rc.1"), Some(Version::new(1, 18, 0)));
    assert!(["latest", "main", "1", "1.2.3.4", ""].iter().all(|text| version(text).is_none()));
}

#[test]
fn names_of_types_are_found_as_kubectl_finds_them() {
    let resources = Resources::built_in();
    let named = |name: &str| resources.resolve(name).map(dr_core::select::Resource::name);
    for (name, found) in [
        ("pods", "pods"),
        ("po", "pods"),
        ("Pod", "pods"),
        ("sts", "statefulsets.apps"),
        ("statefulsets.apps", "statefulsets.apps"),
        ("StatefulSet", "statefulsets.apps"),
        ("storageclass.storage", "storageclasses.storage.k8s.io"),
        ("events", "events"),
        ("events.events.k8s.io", "events.events.k8s.io"),
        ("vs", "volumesnapshots.snapshot.storage.k8s.io"),
    ] {
        assert_eq!(named(name).as_deref(), Some(found), "{name}");
    }
    assert!(["podz", "PVC", "pods.apps", "statefulsets.batch"].iter().all(|name| named(name).is_none()));
}

proptest! {
    #[test]
    fn no_pattern_and_no_text_upset_a_glob(pattern in "[a-c*?\\[\\]!{},\\\\-]{0,12}", text in "[a-c*-]{0,12}") {
        if let Ok(glob) = Glob::new(&pattern) {
            let _ = glob.matches(&text);
        }
    }

    #[test]
    fn a_text_without_special_characters_matches_itself_alone(text in "[a-z.-]{1,12}", other in "[a-z.-]{1,12}") {
        let glob = Glob::new(&text).expect("a pattern");
        prop_assert_eq!(glob.matches(&other), text == other);
    }

    #[test]
    fn whole_quantities_keep_their_order(a in 0u64..1 << 40, b in 0u64..1 << 40) {
        let quantity = |number: u64| Quantity::parse(&number.to_string()).expect("a quantity");
        prop_assert_eq!(quantity(a).cmp(&quantity(b)), a.cmp(&b));
    }
}
