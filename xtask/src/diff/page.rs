//! What earlier runs have compared, from the page they wrote: a run with `--more` adds to it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, iter};

use anyhow::{Context as _, Result, bail};
use dr_core::select::{Rule, Version};

use super::summary::{CAPTURES, Summary};
use crate::cmd;

/// Where what is compared and how is written: what was compared by other code is not added to.
const COMPARED: [&str; 5] = [
    "crates/dr-core/src",
    "xtask/src/diff.rs",
    "xtask/src/diff",
    ":(exclude)xtask/src/diff/page.rs",
    ":(exclude)xtask/src/diff/summary.rs",
];

pub(super) fn path(root: &Path, version: Version) -> PathBuf {
    let Version { major, minor, .. } = version;
    let newest = (major, minor) == (Version::NEWEST.major, Version::NEWEST.minor);
    let of = if newest { String::new() } else { format!("-{major}.{minor}") };
    root.join(format!("docs/evidence/velero-diff{of}.md"))
}

/// The summary of a page that was written by the code that is here now, for the same version.
pub(super) fn read(root: &Path, version: Version, seeds: &Range<u64>) -> Result<Summary> {
    let path = path(root, version);
    let git = |args: &[&str]| cmd::output(Command::new("git").arg("-C").arg(root).args(args));
    let page = path.display().to_string();
    let written = git(&["log", "-1", "--format=%H", "--", &page])?;
    if written.trim().is_empty() {
        bail!("{page} was never committed: there is nothing to add to");
    }
    let changed = git(&[["diff", "--name-only", written.trim(), "--"].as_slice(), &COMPARED].concat())?;
    if !changed.trim().is_empty() {
        bail!("{page} was written before this changed: begin anew, without --more\n{changed}");
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let summary = parse(&text, version).with_context(|| format!("read {}", path.display()))?;
    let twice = summary.seeds.iter().find(|before| before.start < seeds.end && seeds.start < before.end);
    if let Some(before) = twice {
        bail!("seeds {} to {} were compared before: choose others with --seed", before.start, before.end - 1);
    }
    Ok(summary)
}

fn parse(text: &str, version: Version) -> Result<Summary> {
    let mut title = "";
    let mut tables: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(of) = line.strip_prefix("## ") {
            title = of;
        }
        let row = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")).and_then(|row| row.rsplit_once(" | "));
        tables.entry(title).or_default().extend(row);
    }
    let rows = |title: &str| tables.get(title).into_iter().flatten().copied();
    let head = |name: &str| {
        let value = rows("").find(|(of, _)| *of == name).map(|(_, value)| value);
        value.with_context(|| format!("there is no row {name:?}"))
    };
    let number = |name: &str| -> Result<usize> { head(name)?.parse().with_context(|| format!("row {name:?}")) };
    if head("Velero")? != version.to_string() {
        bail!("it is about Velero {}, and this is {version}", head("Velero")?);
    }
    if head("**differences**")? != "**0**" {
        bail!("something differed; begin anew, without --more");
    }
    let counts = |title: &str| {
        let counts = rows(title).skip(1).map(|(name, count)| Ok((name.trim_matches('`').to_owned(), count.parse()?)));
        counts.collect::<Result<BTreeMap<String, usize>>>().with_context(|| format!("table {title:?}"))
    };
    let mut summary = Summary::new(version);
    summary.cases = number("cases")?;
    summary.compared = number("answers compared (items and volumes)")?;
    summary.included = number("items in the backup")?;
    summary.by_accident = number("of them brought along by accident")?;
    summary.before = Duration::from_secs(60 * u64::try_from(number("minutes")?)?);
    summary.servers = counts("Settings of the server")?;
    summary.phases = counts("How the backups end")?;
    summary.filters = counts("Fields that were set")?;
    for (name, count) in counts("How the data of volumes is captured")? {
        let how =
            CAPTURES.into_iter().find(|how| *how == name).with_context(|| format!("no way is called {name:?}"))?;
        summary.captures.insert(how, count);
    }
    for (id, count) in counts("Rules that decided something")? {
        let rule = Rule::ALL.iter().find(|rule| rule.id() == id).with_context(|| format!("no rule is {id:?}"))?;
        summary.rules.insert(*rule, count);
    }
    summary.seeds = if let Ok(seeds) = head("seeds") {
        seeds.split(", ").map(range).collect::<Result<_>>()?
    } else {
        // Of the first page, which began at the first one and was cut in a round.
        let worlds = summary.cases.div_ceil(super::OF_WORLD).next_multiple_of(super::OF_ROUND);
        iter::once(1..1 + u64::try_from(worlds)?).collect()
    };
    Ok(summary)
}

fn range(text: &str) -> Result<Range<u64>> {
    let (first, last) = text.split_once('–').with_context(|| format!("{text:?} are no seeds"))?;
    Ok(first.parse()?..last.parse::<u64>()? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_what_it_was_written_from() {
        let mut summary = Summary::new(Version::NEWEST);
        summary.cases = 30;
        summary.compared = 900;
        (summary.included, summary.by_accident) = (70, 7);
        summary.captures = CAPTURES.into_iter().zip(1..).collect();
        summary.servers = [(String::new(), 10), ("--features=EnableCSI".to_owned(), 20)].into();
        summary.phases = [("Completed".to_owned(), 30)].into();
        summary.filters = [("ttl".to_owned(), 3), ("resource policies: volumePolicies".to_owned(), 4)].into();
        summary.rules = Rule::ALL.iter().copied().zip(1..).take(5).collect();
        summary.seeds = vec![1..11, 301..401];
        let page = summary.text(Duration::from_secs(120));
        let read = parse(&page, Version::NEWEST).unwrap();
        assert_eq!(read.text(Duration::ZERO), page);
        assert_eq!(read.seeds, [1..11, 301..401]);
        assert!(
            parse(&page.replace("| **differences** | **0** |", "| **differences** | **1** |"), Version::NEWEST)
                .is_err()
        );
        assert!(parse(&page, Version { minor: 1, ..Version::NEWEST }).is_err());
    }
}
