//! What a run has compared, for people and for `docs/evidence`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dr_core::select::{Capture, Rule, Selection, Shown, Verdict, Version, VolumeVerdict};

use super::generate::Asked;
use super::page;

const HEAD: &str = "# What the selection engine says, held against Velero

Written by `cargo xtask diff velero --record`, further seeds by `--more`: a seed is ten cases, and a run that was cut lacks some of its last ones. Each case is a random Backup on a random cluster: a real API server and \
controller manager, Velero's own server as a process, an S3 server. Nodes are played: pods are made Running through \
their status, snapshots, copies and moves of data are called done as soon as they are asked for. The archive with its \
VolumeSnapshots and their class, the PodVolumeBackups, the DataUploads, the phase and whether it warns are held item by \
item and volume by volume against `dr_core::select`. What differed once is a case in \
`crates/dr-core/tests/select/differences.rs`.

Not compared: Events, Leases, Endpoints and Velero's own objects, which change while a backup runs, the snapshots that \
another backup has not yet taken away among them. Not met: hooks, \
which need containers; snapshots by a plugin (`native-snapshot`), which need its cloud; group snapshots; whether a copy \
or snapshot succeeds. Hooks and real copies are seen on a whole node (`cargo xtask test`).

";

/// How the data of a volume is captured, or that it is not.
pub(super) const CAPTURES: [&str; 8] = [
    "CSI snapshot",
    "CSI snapshot, data moved",
    "files copied",
    "native snapshot",
    "not captured, silently",
    "not captured, with a warning",
    "not captured, with an error",
    "unknown",
];

pub(crate) struct Summary {
    version: Version,
    /// What was asked for, of earlier runs too.
    pub(super) seeds: Vec<Range<u64>>,
    /// What earlier runs took.
    pub(super) before: Duration,
    pub(super) cases: usize,
    pub(super) compared: usize,
    pub(super) included: usize,
    pub(super) by_accident: usize,
    pub(super) captures: BTreeMap<&'static str, usize>,
    pub(super) servers: BTreeMap<String, usize>,
    pub(super) phases: BTreeMap<String, usize>,
    pub(super) filters: BTreeMap<String, usize>,
    pub(super) rules: BTreeMap<Rule, usize>,
    /// Case, what was asked, and what differs.
    pub(crate) differences: Vec<(String, String)>,
    differing: BTreeSet<String>,
}

impl Summary {
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            seeds: Vec::new(),
            before: Duration::ZERO,
            cases: 0,
            compared: 0,
            included: 0,
            by_accident: 0,
            captures: BTreeMap::new(),
            servers: BTreeMap::new(),
            phases: BTreeMap::new(),
            filters: BTreeMap::new(),
            rules: BTreeMap::new(),
            differences: Vec::new(),
            differing: BTreeSet::new(),
        }
    }

    pub(crate) fn count(&mut self, flags: &[&str], said: &Selection, asked: &Asked, compared: usize) {
        self.cases += 1;
        *self.servers.entry(flags.join(" ")).or_default() += 1;
        self.compared += compared;
        *self.phases.entry(format!("{:?}", said.phase)).or_default() += 1;
        for verdict in &said.items {
            self.included += usize::from(verdict.verdict == Verdict::Included);
            self.by_accident += usize::from(verdict.by_accident);
        }
        for verdict in &said.volumes {
            *self.captures.entry(captured(verdict)).or_default() += 1;
        }
        let chains = said.items.iter().map(|verdict| &verdict.chain);
        let chains = chains.chain(said.volumes.iter().map(|verdict| &verdict.chain));
        let rules: BTreeSet<Rule> = chains.flatten().chain(&said.errors).map(|reason| reason.rule).collect();
        for rule in rules {
            *self.rules.entry(rule).or_default() += 1;
        }
        for key in asked.spec.as_object().into_iter().flatten().map(|(key, _)| key) {
            *self.filters.entry(key.clone()).or_default() += 1;
        }
        let policies = asked.policy.iter().filter_map(|(_, policy)| policy.as_object()).flatten();
        for key in policies.map(|(key, _)| key).filter(|key| *key != "version") {
            *self.filters.entry(format!("resource policies: {key}")).or_default() += 1;
        }
    }

    pub(crate) fn differs(&mut self, case: &str, flags: &[&str], asked: &Asked, difference: String) {
        if self.differing.insert(case.to_owned()) {
            println!("case {case} (server {}): {} {}", flags.join(" "), asked.spec, asked.annotations);
            if let Some((named, policy)) = &asked.policy {
                println!("  policy {named:?} {policy}");
            }
        }
        println!("  {difference}");
        self.differences.push((case.to_owned(), difference));
    }

    pub(crate) fn line(&self) -> String {
        format!("{} cases, {} compared, {} differences", self.cases, self.compared, self.differences.len())
    }

    pub(crate) fn print(&self) {
        println!("{} with Velero {}", self.line(), self.version);
        for (flags, cases) in &self.servers {
            println!("  {cases} cases with server {flags}");
        }
        let unused: Vec<&str> =
            Rule::ALL.iter().filter(|rule| !self.rules.contains_key(rule)).map(|r| r.id()).collect();
        println!("rules that no case met: {}", unused.join(", "));
    }

    pub(crate) fn write(&self, root: &Path, took: Duration) -> Result<()> {
        let path = page::path(root, self.version);
        fs::write(&path, self.text(took)).with_context(|| format!("write {}", path.display()))
    }

    pub(super) fn text(&self, took: Duration) -> String {
        let rows = |rows: &mut dyn Iterator<Item = (String, usize)>| -> String {
            let rows: Vec<String> = rows.map(|(name, count)| format!("| {name} | {count} |\n")).collect();
            rows.concat()
        };
        let unmet: Vec<String> = Rule::ALL
            .iter()
            .filter(|rule| !self.rules.contains_key(rule))
            .map(|rule| format!("`{}`", rule.id()))
            .collect();
        let table =
            |title: &str, head: &str, rows: String| format!("## {title}\n\n| {head} | cases |\n|---|---|\n{rows}\n");
        let named = |(name, count): (&String, &usize)| (format!("`{name}`"), *count);
        let volumes: usize = self.captures.values().sum();
        let seeds: Vec<String> = self.seeds.iter().map(|seeds| format!("{}–{}", seeds.start, seeds.end - 1)).collect();
        let seeds = seeds.join(", ");
        let mut text = format!(
            "{HEAD}| | |\n|---|---|\n| Velero | {} |\n| seeds | {seeds} |\n| cases | {} |\n| answers compared (items and volumes) | {} |\n\
             | items in the backup | {} |\n| of them brought along by accident | {} |\n| volumes | {volumes} |\n\
             | **differences** | **{}** |\n| minutes | {} |\n\n",
            self.version,
            self.cases,
            self.compared,
            self.included,
            self.by_accident,
            self.differences.len(),
            (self.before + took).as_secs().div_ceil(60),
        );
        let captures = rows(&mut self.captures.iter().map(|(how, count)| ((*how).to_owned(), *count)));
        let _ = write!(text, "## How the data of volumes is captured\n\n| how | volumes |\n|---|---|\n{captures}\n");
        text += &table("Settings of the server", "flags", rows(&mut self.servers.iter().map(named)));
        let phases = self.phases.iter().map(|(phase, count)| (phase.clone(), *count));
        text += &table("How the backups end", "phase", rows(&mut { phases }));
        text += &table("Fields that were set", "field", rows(&mut self.filters.iter().map(named)));
        let rules = self.rules.iter().map(|(rule, count)| (format!("`{}`", rule.id()), *count));
        text += &table("Rules that decided something", "rule", rows(&mut { rules }));
        let unmet = if unmet.is_empty() { "nothing else".to_owned() } else { unmet.join(", ") };
        text + &format!("No case met {unmet}.\n")
    }
}

fn captured(verdict: &VolumeVerdict) -> &'static str {
    match (&verdict.capture, verdict.shown) {
        (Capture::FileSystem { .. }, _) => "files copied",
        (Capture::CsiSnapshot { .. }, _) => "CSI snapshot",
        (Capture::CsiMoved { .. }, _) => "CSI snapshot, data moved",
        (Capture::NativeSnapshot { .. }, _) => "native snapshot",
        (Capture::Unknown, _) => "unknown",
        (Capture::None, Shown::Silent) => "not captured, silently",
        (Capture::None, Shown::Warning) => "not captured, with a warning",
        (Capture::None, Shown::Error) => "not captured, with an error",
    }
}
