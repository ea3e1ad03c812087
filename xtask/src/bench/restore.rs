//! The outage of a restore beside that of a plain scale to 0 and back, by the writer's own log, and whose time it was.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::journal::{self, Wave, Whose};
use crate::bookstore::{Bookstore, By, now};
use crate::cache;
use crate::place::{self, Place, text};

/// How often the StatefulSet is scaled to 0 and back, to know how much that varies by itself.
const PLAIN: usize = 3;

/// Rows of 1 KiB beside the real tables. PostgreSQL's own files and its write-ahead log come on top.
const SMALL: u32 = 2_000;
const LARGE: u32 = 500_000;

struct Measured {
    by: By,
    bytes: f64,
    plain: Vec<f64>,
    outage: f64,
    took: f64,
    shares: [(Whose, f64); 4],
    /// The waves between the first writer stopped and the last one back.
    inside: Vec<Wave>,
}

pub(super) fn measure(name: &str, small: bool) -> Result<String> {
    let root = cache::checkout()?;
    crate::packages::require_linux_root()?;
    let executables = place::executables(&root)?;
    let place = Place::node(name, &executables)?;
    let mut all = Vec::new();
    for padding in if small { vec![SMALL] } else { vec![SMALL, LARGE] } {
        for by in [By::Snapshot, By::Files] {
            all.push(once(&place, &root, by, padding).with_context(|| format!("{} with {padding} rows", by.name()))?);
        }
    }
    Ok(report(&all))
}

fn once(place: &Place, root: &Path, by: By, padding: u32) -> Result<Measured> {
    let namespace = match by {
        By::Files => "bench-files",
        By::Snapshot => "bench-snapshot",
    };
    let shop = Bookstore::named(place, namespace);
    println!("\n{}, {padding} rows of 1 KiB", by.name());
    shop.remove()?;
    shop.open(root, "csi-wffc", by, padding)?;
    let bytes = shop.bytes()?;
    println!("  the volume holds {:.0} MB", bytes / 1e6);
    let writer = shop.writer();
    until_steady(&shop)?;
    let mut plain = Vec::new();
    for _ in 0..PLAIN {
        let since = now();
        shop.scale(0)?;
        shop.wait_stopped()?;
        shop.scale(1)?;
        until_steady(&shop)?;
        plain.push(writer.outage(since));
        println!("  scaled to 0 and back: no order for {:.1} s", writer.outage(since));
    }
    let said = crate::cmd::output(&mut place.kubectl(&["dr", "backup", "--ns", namespace, "-o", "json"]))?;
    let _: Value = serde_json::from_str(&said).context("read what the backup says")?;
    shop.sql("drop table books cascade")?;
    let began = now();
    let mut restore = place.kubectl(&["dr", "restore", "--ns", namespace, "--yes", "-o", "json"]);
    let out = restore.stderr(Stdio::piped()).output().context("start kubectl")?;
    let ended = now();
    if !out.status.success() {
        bail!("the restore ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    }
    until_steady(&shop)?;
    let outage = writer.outage(began);
    println!("  restored: no order for {outage:.1} s, the command took {:.1} s", ended - began);
    let status: Value = serde_json::from_slice(&out.stdout).context("read what the restore says")?;
    let waves = journal::waves(place, text(&status, "/id"))?;
    let inside = |wave: &&Wave| ["quiesce/", "swap/", "back/"].iter().any(|phase| wave.last.starts_with(phase));
    let inside = waves.iter().filter(inside).cloned().collect();
    let shares = journal::shares(&waves, began, ended);
    shop.remove()?;
    Ok(Measured { by, bytes, plain, outage, took: ended - began, shares, inside })
}

/// Open, and three more orders in the log: the gap before them is over.
fn until_steady(shop: &Bookstore<'_>) -> Result<()> {
    shop.wait_until_open()?;
    thread::sleep(Duration::from_secs(4));
    Ok(())
}

fn report(all: &[Measured]) -> String {
    let mut text = "## Restore\n\n`cargo xtask bench restore`: the bookstore's PostgreSQL on a node of ours. An outage is the time from the last order \
         that went through to the next one, by the writer's own log (it writes an order a second); beside it the same for \
         a plain scale of the StatefulSet to 0 and back, in the same run. Promised: at most 3 s above the plain scale, at \
         most 1.3 times between the sizes, and an own share of at most 3 s.\n\n\
         | data | by | plain scale | restore | above the plain one | whole run | ours | Velero | database | Kubernetes |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for one in all {
        let plain = mean(&one.plain);
        let each: Vec<String> = one.plain.iter().map(|seconds| format!("{seconds:.1}")).collect();
        let _ = write!(
            text,
            "| {:.0} MB | {} | {plain:.1} s ({}) | {:.1} s | {:+.1} s | {:.1} s |",
            one.bytes / 1e6,
            one.by.name(),
            each.join(", "),
            one.outage,
            one.outage - plain,
            one.took
        );
        for (_, seconds) in one.shares {
            let _ = write!(text, " {seconds:.1} s |");
        }
        text.push('\n');
    }
    for by in [By::Snapshot, By::Files] {
        let mut outages = all.iter().filter(|one| one.by == by).map(|one| one.outage);
        if let (Some(small), Some(large)) = (outages.next(), outages.next()) {
            let _ = write!(
                text,
                "\n{}: the outage at the larger size is {:.2} times that at the smaller.",
                by.name(),
                large / small
            );
        }
    }
    text.push_str("\n\nWhat the outage was spent on (from the journal; the step that ended last of each wave):\n\n");
    for one in all {
        let _ = writeln!(text, "{}, {:.0} MB:\n", one.by.name(), one.bytes / 1e6);
        text.push_str("| after | took | step |\n|---|---|---|\n");
        let began = one.inside.first().map_or(0.0, |wave| wave.began);
        for wave in &one.inside {
            let _ = writeln!(text, "| {:.1} s | {:.1} s | {} |", wave.began - began, wave.took(), wave.last);
        }
        text.push('\n');
    }
    text
}

fn mean(all: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX)).max(1.0);
    all.iter().sum::<f64>() / count
}
