//! Reads, judges and fixes bytes as a manifest.

#![no_main]

use dr_lint::{Appetite, Finding, Input, Judgement, Settings, judge};
use libfuzzer_sys::fuzz_target;

/// Fixes that are in each other's way are made one after the other.
const ROUNDS: usize = 12;

fn judged(text: &[u8]) -> (Input, Judgement) {
    let mut input = Input::default();
    input.add("fuzz.yaml", text, false);
    let judgement = judge(&input, &Settings { appetite: Appetite::Audit, ..Settings::default() });
    (input, judgement)
}

fn unreadable(judgement: &Judgement) -> bool {
    judgement.findings.iter().any(|finding| finding.rule == "unreadable-document")
}

fuzz_target!(|bytes: &[u8]| {
    let (mut input, mut judgement) = judged(bytes);
    let readable = !unreadable(&judgement);
    for _ in 0..ROUNDS {
        let findings: Vec<&Finding> = judgement.findings.iter().filter(|finding| finding.fix.is_some()).collect();
        let Some((text, made)) = dr_lint::fix::apply(&input, 0, &findings).filter(|(_, made)| *made > 0) else {
            return;
        };
        assert_ne!(text, input.files[0].text, "{made} fixes change nothing");
        (input, judgement) = judged(text.as_bytes());
        assert!(!readable || !unreadable(&judgement), "a fix makes it unreadable:\n{text}");
    }
    panic!("there is always another fix:\n{}", input.files[0].text);
});
