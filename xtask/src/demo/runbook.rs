//! The hand-written runbook's own commands on a second bookstore, and what they leave behind.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::act::{Act, Span};
use super::stage::{Stage, Typed};
use crate::bookstore::{Bookstore, now};
use crate::current::Ground;
use crate::place::{text, until};

pub(super) const NAMESPACE: &str = "bookstore-by-hand";
const BACKUP: &str = "bookstore-by-hand-1";

/// What the two restores of the runbook did; empty where there is no `velero` to type.
pub(super) fn play(stage: &mut Stage<'_>, root: &Path, ground: &Ground) -> Result<Vec<Act>> {
    stage.say("\n=== By hand: the runbook's own commands, on a bookstore of their own");
    if stage.place.velero(&["version"]).is_none() {
        stage.say("left out: `velero` is not on the PATH, so there is nothing to type them with");
        return Ok(Vec::new());
    }
    let place = stage.place;
    let shop = Bookstore::named(place, NAMESPACE);
    shop.open(root, &ground.class, ground.by, 1000)?;
    velero(stage, &["backup", "create", BACKUP, "--include-namespaces", NAMESPACE, "--wait"])?;
    let before = shop.books();
    shop.sql("truncate books cascade")?;
    stage.say(&format!("\nbooks before: {before}\nbooks now:    {}", shop.books()));

    stage.say("\n--- the claim left in place");
    let mut acts = vec![by_hand(stage, &shop, "a", "the claim in place")?];
    stage.say("\n--- the claim deleted first");
    acts.push(by_hand(stage, &shop, "b", "the claim deleted first")?);
    Ok(acts)
}

fn velero(stage: &mut Stage<'_>, args: &[&str]) -> Result<Typed> {
    let command = stage.place.velero(args).context("there is no velero to type")?;
    stage.types(&format!("velero {}", args.join(" ")), command)
}

fn by_hand(stage: &mut Stage<'_>, shop: &Bookstore<'_>, name: &str, how: &str) -> Result<Act> {
    let place = stage.place;
    let lost = shop.books();
    let writer = shop.writer();
    let began = now();
    let scale =
        |replicas| ["scale", "-n", NAMESPACE, "statefulset/postgres", "deployment/orders", "--replicas", replicas];
    stage.kubectl(&scale("0"))?;
    shop.wait_stopped()?;
    let mut spans = vec![Span::new("scale to 0", began, now())];
    if name == "b" {
        stage.kubectl(&["delete", "pvc", "data-postgres-0", "-n", NAMESPACE])?;
    }
    let restore = format!("{BACKUP}-{name}");
    let include = "persistentvolumeclaims,persistentvolumes";
    let typed = velero(
        stage,
        &["restore", "create", &restore, "--from-backup", BACKUP, "--include-resources", include, "--wait"],
    )?;
    spans.push(Span::new("velero restore", typed.began, typed.ended));
    let status = place.get(&["restores.velero.io", &restore, "-n", &place.velero_namespace])?;
    let phase = text(&status, "/status/phase").to_owned();
    let up = now();
    stage.kubectl(&scale("1"))?;
    until("the database answers", 120, || shop.sql("select 1").ok())?;
    spans.push(Span::new("scale to 1", up, now()));
    let found = shop.books();
    stage.say(&format!("\nVelero calls it {phase}; its exit code is 0. books now: {found}"));
    let ended = now();
    if phase.is_empty() {
        bail!("the restore {restore} says no phase");
    }
    Ok(Act {
        what: format!("by hand, {how}"),
        lost,
        found,
        said: format!("{phase}, exit 0"),
        took: typed.took,
        outage: None,
        began,
        ended,
        spans,
        attempts: writer.attempts(),
    })
}
