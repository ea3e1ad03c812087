//! `cargo xtask demo`: a bookstore loses its data in three ways and gets it back, every command typed through kubectl;
//! beside it the runbook's own commands and what they leave behind.

pub(crate) mod act;
mod care;
mod runbook;
mod stage;
mod timeline;
mod transcript;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::bookstore::{Bookstore, By, now};
use crate::cache;
use crate::cmd;
use crate::current::{self, Ground};
use crate::packages;
use crate::place::{self, Place};
use act::Act;
use stage::Stage;

const NAMESPACE: &str = "bookstore";

pub(crate) struct Options {
    /// The node of ours.
    pub(crate) name: String,
    /// Use the cluster that kubectl points at.
    pub(crate) on_current: bool,
    /// The answer to the question that `on_current` asks.
    pub(crate) yes: bool,
    /// Write transcript, picture and the part of README.md.
    pub(crate) record: bool,
}

pub(crate) fn demo(options: &Options) -> Result<ExitCode> {
    let root = cache::checkout()?;
    if options.on_current && options.record {
        bail!("--record is for a node of ours: what it writes is read by everybody, and a cluster of yours is yours");
    }
    if !options.on_current {
        packages::require_linux_root()?;
    }
    let executables = place::executables(&root)?;
    let (place, ground) = if options.on_current {
        let mut place = Place::current(&executables)?;
        let ground = current::look(&mut place)?;
        let what = format!(
            "\nThe demo makes the namespaces {NAMESPACE} and {} with a PostgreSQL of 2 GiB each, the PriorityClass \
             bookstore-database and backups in Velero's object store, restores them a few times, and removes all of it \
             at the end.",
            runbook::NAMESPACE
        );
        current::ask(&what, options.yes)?;
        (place, ground)
    } else {
        (Place::node(&options.name, &executables)?, Ground::ours(By::Files))
    };
    let shops = [NAMESPACE, runbook::NAMESPACE].map(|namespace| Bookstore::named(&place, namespace));
    for shop in &shops {
        if shop.exists()? {
            println!("removing what an earlier demo left: {}", shop.namespace);
        }
        shop.remove()?;
    }
    let mut stage = Stage::new(&place);
    let played = play(&mut stage, &root, &ground);
    if place.foreign {
        println!("\nremoving what the demo made");
        for shop in &shops {
            shop.remove()?;
        }
        cmd::output(&mut place.kubectl(&["delete", "priorityclass", "bookstore-database", "--ignore-not-found"]))?;
    }
    let acts = played?;
    let picture = timeline::svg(&acts, "Three losses of a bookstore's data, and the ways back");
    transcript::write(&root, &stage.transcript, &picture, options.record)?;
    Ok(ExitCode::SUCCESS)
}

fn play(stage: &mut Stage<'_>, root: &Path, ground: &Ground) -> Result<Vec<Act>> {
    let mut acts = runbook::play(stage, root, ground)?;
    let shop = Bookstore::named(stage.place, NAMESPACE);
    stage.say("\n=== With kubectl dr");
    shop.open(root, &ground.class, ground.by, 20_000)?;
    stage.say("A bookstore is open: PostgreSQL on a CSI volume, one order a second.");
    stage.kubectl(&["get", "pods,pvc", "-n", NAMESPACE])?;
    let before = shop.books();
    stage.say(&format!("\nbooks: {before}"));
    stage.kubectl(&["dr", "backup", "--ns", NAMESPACE])?;

    if !stage.place.foreign {
        care::play(stage)?;
    }

    stage.say("\n--- DROP TABLE");
    shop.sql("drop table books cascade")?;
    acts.push(walk(stage, &shop, "DROP TABLE: restore", &["dr", "restore", "--ns", NAMESPACE, "--yes"])?);
    acts.push(walk(stage, &shop, "and its undo", &["dr", "restore", "undo", "--ns", NAMESPACE, "--yes"])?);
    acts.push(walk(stage, &shop, "and its redo", &["dr", "restore", "redo", "--ns", NAMESPACE, "--yes"])?);

    stage.say("\n--- the claim is deleted; the StatefulSet makes an empty one");
    shop.lose_claim()?;
    acts.push(walk(stage, &shop, "claim deleted: restore", &["dr", "restore", "--ns", NAMESPACE, "--yes"])?);

    stage.say("\n--- the namespace is deleted");
    cmd::output(&mut stage.place.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=180s"]))?;
    acts.push(walk(stage, &shop, "namespace deleted: restore", &["dr", "restore", "--ns", NAMESPACE, "--yes"])?);

    stage.say(&format!("\n=== What came of it\n\nbooks before: {before}\n"));
    stage.say(&timeline::table(&acts, &before));
    stage.say("");
    stage.say(&timeline::text(&acts));
    let expected = |act: &Act| (act.found == before) != (act.what == "and its undo" || act.what.starts_with("by hand"));
    match acts.iter().find(|act| !expected(act)) {
        Some(act) => bail!("{}: the books are {}, and were {before} before any loss", act.what, act.found),
        None => Ok(acts),
    }
}

/// Types one command that brings a volume back, and sees what that does to the books and the orders.
fn walk(stage: &mut Stage<'_>, shop: &Bookstore<'_>, what: &str, command: &[&str]) -> Result<Act> {
    let lost = shop.books();
    stage.say(&format!("\nbooks now: {lost}"));
    let writer = shop.writer();
    let typed = stage.kubectl(command)?;
    shop.wait_until_open()?;
    let found = shop.books();
    let status = cmd::output(&mut stage.place.kubectl(&["dr", "restore", "status", "--ns", NAMESPACE, "-o", "json"]))?;
    let status: serde_json::Value = serde_json::from_str(&status)?;
    let outcome = place::text(&status, "/outcome/outcome").to_owned();
    let attempts = writer.attempts();
    // The namespace's own pods are gone with it: there is no order before to count from.
    let seen = attempts.iter().any(|attempt| attempt.succeeded && attempt.ended <= typed.began);
    let outage = seen.then(|| writer.outage(typed.began)).filter(|outage| *outage > 0.0);
    let told = outage.map_or_else(String::new, |outage| format!("; no order for {outage:.1} s"));
    stage.say(&format!("\nbooks now: {found}{told}"));
    let ended = now();
    let spans = act::phases(&status)?;
    let said = format!("{outcome}, exit 0");
    Ok(Act {
        what: what.to_owned(),
        lost,
        found,
        said,
        took: typed.took,
        outage,
        began: typed.began,
        ended,
        spans,
        attempts,
    })
}
