//! Looks through bytes for velero's command lines, as a script, as Markdown and as YAML.

#![no_main]

use dr_lint::{Added, Appetite, Input, Language, Reading, Settings, Version, judge};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["fuzz.sh", "fuzz.md", "fuzz.yaml"] {
        let mut input = Input::default();
        let reading = Reading::Commands(Language::of(name), Version::default());
        input.push(Added::read(name, bytes, false, reading));
        judge(&input, &Settings { appetite: Appetite::Audit, ..Settings::default() });
    }
});
