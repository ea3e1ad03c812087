//! `docs/evidence/bench.md`: a section for each benchmark, written by the benchmark itself.

use std::fs;

use anyhow::{Context as _, Result};

use crate::cache;

const FILE: &str = "docs/evidence/bench.md";
const HEAD: &str =
    "# Benchmarks\n\nEach section is written by its command with `--record`; nothing here is written by hand.\n";

pub(super) fn write(section: &str, text: &str) -> Result<()> {
    let file = cache::checkout()?.join(FILE);
    let old = fs::read_to_string(&file).unwrap_or_else(|_| HEAD.to_owned());
    fs::write(&file, exchanged(&old, section, text)).with_context(|| format!("write {FILE}"))?;
    println!("written: {FILE}");
    Ok(())
}

/// The text with this section exchanged, or appended when it was not there.
fn exchanged(old: &str, section: &str, text: &str) -> String {
    let (opens, closes) = (format!("<!-- {section} -->"), format!("<!-- /{section} -->"));
    let new = format!("{opens}\n{}\n{closes}", text.trim());
    let parts = old.split_once(&opens).and_then(|(head, rest)| Some((head, rest.split_once(&closes)?.1)));
    match parts {
        Some((head, tail)) => format!("{head}{new}{tail}"),
        None => format!("{}\n\n{new}\n", old.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_exchanged_and_the_others_stay() {
        let one = exchanged(HEAD, "plan", "## Plan\n1 s");
        let two = exchanged(&one, "size", "## Size\n9 MiB");
        let again = exchanged(&two, "plan", "## Plan\n2 s");
        assert!(again.contains("2 s") && !again.contains("1 s") && again.contains("9 MiB"), "{again}");
        assert_eq!(exchanged(&again, "plan", "## Plan\n2 s"), again);
    }
}
