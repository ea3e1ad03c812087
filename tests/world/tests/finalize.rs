//! Closing runs: who gets which reclaim policy back, what stays, and what is discarded.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use dr_run::finalize::{Fate, KeptVolume};
use dr_run::journal::{Direction, Entry, Turn};
use dr_run::plan::{OPERATION, Plan, RECLAIM_POLICY};
use dr_run::run::{Outcome, Run};
use dr_world::app::{App, Keeps, NAMESPACE, Paths, Shape, Workload};
use dr_world::drive::{self, Answers, Driver, Moved, sketch};
use dr_world::facts;
use dr_world::sweep::rest;
use dr_world::world::World;
use serde_json::json;

const CLAIM: &str = "data0-part0-0";

fn bring_up(claims_lost: bool) -> App {
    let workload = Workload {
        keeps: Keeps::Templates(1),
        replicas: 1,
        postgres: true,
        when_scaled_delete: false,
        when_deleted_delete: false,
    };
    let shape = Shape {
        seed: 11,
        workloads: vec![workload],
        wait_for_first_consumer: false,
        retain: false,
        paths: Paths::Files,
        cron: false,
        claims_lost,
    };
    shape.bring_up()
}

/// One run of several in one world: the world holds the journal of whoever drives.
struct Restore {
    plan: Plan,
    journal: Vec<Entry>,
}

impl Restore {
    fn new(world: &World, id: &str) -> Self {
        Self { plan: facts::plan_as(world, id, false).unwrap(), journal: Vec::new() }
    }

    fn drive(&mut self, world: &mut World, to: Direction) -> Outcome {
        std::mem::swap(&mut world.journal, &mut self.journal);
        let mut driver = Driver::take(world, &self.plan, Answers::default(), 3);
        let why = if to == Direction::Back { Turn::UndoRequested } else { Turn::RedoRequested };
        driver.turn(world, to, why);
        let outcome = (0..20_000)
            .find_map(|_| match driver.advance(world) {
                Moved::Finished(outcome) => Some(outcome),
                Moved::On | Moved::Waited => None,
                moved @ (Moved::Detached | Moved::Fenced) => panic!("{moved:?}"),
            })
            .unwrap();
        rest(world);
        std::mem::swap(&mut world.journal, &mut self.journal);
        outcome
    }

    fn restored(world: &mut World, id: &str) -> Self {
        let mut restore = Self::new(world, id);
        assert_eq!(restore.drive(world, Direction::Forward), Outcome::Restored);
        restore
    }

    fn undone(&mut self, world: &mut World) {
        assert_eq!(self.drive(world, Direction::Back), Outcome::Undone);
    }

    fn run(&self) -> Run {
        Run::replay(self.plan.clone(), &self.journal).unwrap()
    }

    fn closed(&self, world: &mut World, discard_old: bool) -> Vec<KeptVolume> {
        drive::close(world, &self.run(), discard_old).unwrap_or_else(|left| panic!("{left:?}\n{}", sketch(world)))
    }
}

/// The volume that the claim is on.
fn live(world: &World) -> String {
    let claim = world.find(Kind::PersistentVolumeClaim, NAMESPACE, CLAIM).unwrap();
    assert_eq!(claim.str_at("/status/phase"), Some("Bound"));
    claim.str_at("/spec/volumeName").unwrap().to_owned()
}

fn volume<'a>(world: &'a World, name: &str) -> &'a Object {
    world.get(&Key::cluster(Kind::PersistentVolume, name)).unwrap_or_else(|| panic!("no {name}\n{}", sketch(world)))
}

/// Policy, label and annotation.
fn marks<'a>(world: &'a World, name: &str) -> (Option<&'a str>, Option<&'a str>, Option<&'a str>) {
    let volume = volume(world, name);
    let policy = volume.str_at("/spec/persistentVolumeReclaimPolicy");
    (policy, volume.label(OPERATION), volume.annotation(RECLAIM_POLICY))
}

const AS_MADE: (Option<&str>, Option<&str>, Option<&str>) = (Some("Delete"), None, None);

fn stays(volume: &str, holds: &str) -> KeptVolume {
    KeptVolume { volume: volume.to_owned(), claim: CLAIM.to_owned(), holds: holds.to_owned(), fate: Fate::Stays }
}

/// Everything with the label of a run but volumes: nothing, once it is closed.
fn labelled(world: &World) -> Vec<Key> {
    world.keys(|object| object.label(OPERATION).is_some() && object.str_at("/kind") != Some("PersistentVolume"))
}

#[test]
fn of_two_restores_each_gives_back_what_the_volume_had_before_either() {
    let mut world = bring_up(false).world;
    let original = live(&world);
    let first = Restore::restored(&mut world, "first");
    let between = live(&world);
    let second = Restore::restored(&mut world, "second");
    let last = live(&world);
    assert_eq!(marks(&world, &last), (Some("Retain"), Some("second"), Some("Delete")));

    assert_eq!(first.closed(&mut world, false), [stays(&original, "before the restore")]);
    assert_eq!(marks(&world, &between), (Some("Retain"), Some("second"), Some("Delete")), "the newer one's affair");
    assert_eq!(second.closed(&mut world, false), [stays(&between, "before the restore")]);
    assert_eq!(marks(&world, &last), AS_MADE);
    assert_eq!(labelled(&world), []);
    for old in [&original, &between] {
        assert_eq!(volume(&world, old).str_at("/spec/persistentVolumeReclaimPolicy"), Some("Retain"));
    }
}

#[test]
fn a_newer_restore_that_was_undone_leaves_the_older_one_its_volume() {
    let mut world = bring_up(false).world;
    let original = live(&world);
    let first = Restore::restored(&mut world, "first");
    let between = live(&world);
    let mut second = Restore::restored(&mut world, "second");
    let last = live(&world);
    second.undone(&mut world);
    assert_eq!(live(&world), between);
    assert_eq!(marks(&world, &between), (Some("Retain"), Some("first"), Some("Delete")));

    assert_eq!(first.closed(&mut world, false), [stays(&original, "before the restore")]);
    assert_eq!(marks(&world, &between), AS_MADE);
    assert_eq!(second.closed(&mut world, false), [stays(&last, "restored and taken back")]);
    assert_eq!(marks(&world, &between), AS_MADE);
}

#[test]
fn an_older_restore_that_is_closed_before_the_newer_is_undone_leaves_the_policy_to_the_newer() {
    let mut world = bring_up(false).world;
    let first = Restore::restored(&mut world, "first");
    let between = live(&world);
    let mut second = Restore::restored(&mut world, "second");
    first.closed(&mut world, false);
    second.undone(&mut world);
    assert_eq!(live(&world), between);
    second.closed(&mut world, false);
    assert_eq!(marks(&world, &between), AS_MADE);
}

#[test]
fn discarding_deletes_the_volume_of_before_and_nothing_else() {
    let mut world = bring_up(false).world;
    let original = live(&world);
    let restore = Restore::restored(&mut world, "first");
    let kept = restore.closed(&mut world, true);
    assert_eq!(kept, [KeptVolume { fate: Fate::Discarded, ..stays(&original, "before the restore") }]);
    assert!(world.get(&Key::cluster(Kind::PersistentVolume, &original)).is_none());
    assert_eq!(world.destroyed.len(), 1);
    assert_eq!(marks(&world, &live(&world)), AS_MADE);
}

#[test]
fn discarding_after_an_undo_deletes_the_restored_volume_and_nothing_else() {
    for claims_lost in [false, true] {
        let mut world = bring_up(claims_lost).world;
        let mut restore = Restore::restored(&mut world, "first");
        let restored = live(&world);
        restore.undone(&mut world);
        let kept = restore.closed(&mut world, true);
        assert_eq!(kept, [KeptVolume { fate: Fate::Discarded, ..stays(&restored, "restored and taken back") }]);
        assert!(world.get(&Key::cluster(Kind::PersistentVolume, &restored)).is_none(), "{}", sketch(&world));
        assert_eq!(world.destroyed.len(), 1);
        if !claims_lost {
            assert_eq!(marks(&world, &live(&world)), AS_MADE);
        }
    }
}

#[test]
fn a_volume_that_somebody_has_bound_elsewhere_is_neither_discarded_nor_given_its_policy() {
    let mut world = bring_up(false).world;
    let original = live(&world);
    let restore = Restore::restored(&mut world, "first");
    let key = Key::cluster(Kind::PersistentVolume, &original);
    world.patch(&key, &json!({ "spec": { "claimRef": null } })).unwrap();
    rest(&mut world);
    let rescue = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": original,
        "resources": { "requests": { "storage": "1Gi" } },
    } });
    world.create(&Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, "rescued"), &rescue).unwrap();
    rest(&mut world);
    let kept = restore.closed(&mut world, true);
    let fate = Fate::HeldBy(format!("{NAMESPACE}/rescued"));
    assert_eq!(kept, [KeptVolume { fate, ..stays(&original, "before the restore") }]);
    assert_eq!(marks(&world, &original).0, Some("Retain"));
    assert!(world.destroyed.is_empty());
}

#[test]
fn a_restored_volume_whose_claim_was_deleted_since_is_listed_and_never_reclaimed() {
    let mut world = bring_up(false).world;
    let original = live(&world);
    let restore = Restore::restored(&mut world, "first");
    let restored = live(&world);
    let set = Key::namespaced(Kind::StatefulSet, NAMESPACE, "part0");
    world.patch(&set, &json!({ "spec": { "replicas": 0 } })).unwrap();
    rest(&mut world);
    world.delete(&Key::namespaced(Kind::PersistentVolumeClaim, NAMESPACE, CLAIM), &Default::default()).unwrap();
    rest(&mut world);
    let kept = restore.closed(&mut world, false);
    assert_eq!(kept, [stays(&restored, "restored"), stays(&original, "before the restore")]);
    assert_eq!(marks(&world, &restored).0, Some("Retain"));
    assert!(world.destroyed.is_empty());
}

#[test]
fn what_a_sleeper_created_after_the_end_goes_with_the_run() {
    let mut world = bring_up(true).world;
    let mut restore = Restore::restored(&mut world, "first");
    restore.undone(&mut world);
    let create = restore.plan.steps().find(|step| step.name.0 == format!("swap/{CLAIM}/create-claim")).unwrap();
    let dr_run::action::Action::Create { object, template } = &create.forward.action else { panic!() };
    let bindings = restore.run().bindings().clone();
    let (key, claim) = (object.resolve(&bindings).unwrap(), template.resolve(&bindings).unwrap());
    world.create(&key, &claim).unwrap();
    world
        .create(
            &Key::cluster(Kind::Namespace, &restore.plan.place.staging_namespace),
            &json!({ "metadata": { "labels": { OPERATION: "first" } } }),
        )
        .unwrap();
    rest(&mut world);
    restore.closed(&mut world, false);
    rest(&mut world);
    assert_eq!(labelled(&world), []);
    assert!(world.get(&key).is_none());
}
