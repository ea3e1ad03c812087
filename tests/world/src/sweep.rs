//! Crashes a run at every point, wakes sleepers at the worst time, and compares where everybody ends.

use std::cell::Cell;

use dr_run::decide::Request;
use dr_run::journal::{Direction, Turn};
use dr_run::plan::Plan;
use dr_run::run::Outcome;

use crate::app::App;
use crate::drive::{Answers, Driver, Flight, InFlight, Moved, sketch, tail};
use crate::normal::{But, Normal, difference, normal};
use crate::rng::Rng;
use crate::world::World;

/// More small steps than any run of the tests takes.
const ENOUGH: usize = 20_000;

/// What a sweep is made for.
#[derive(Debug)]
pub struct Sweep<'a> {
    app: &'a App,
    plan: &'a Plan,
    answers: Answers,
    /// Where the undisturbed run ends, once known.
    restored: Option<Place>,
    before: Place,
    pub runs: Cell<usize>,
    /// For testing the tests.
    pub unfenced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Resume,
    Undo,
}

type Found<T> = Result<T, String>;

impl<'a> Sweep<'a> {
    pub fn new(app: &'a App, plan: &'a Plan, answers: Answers) -> Self {
        Self { app, plan, answers, restored: None, before: Place::of(&app.world), runs: Cell::new(0), unfenced: false }
    }

    pub fn blame(world: &World, why: &str) -> String {
        format!("--- what happened\n{}\n--- what is there\n{}\n--- {why}", tail(world, 200), sketch(world))
    }

    fn take(&self, world: &mut World, rng: &mut Rng) -> Driver {
        let mut driver = Driver::take(world, self.plan, self.answers, rng.word());
        driver.unfenced = self.unfenced;
        driver
    }

    fn step(&self, driver: &mut Driver, world: &mut World) -> Found<Moved> {
        let before = world.revision;
        let moved = driver.advance(world);
        if world.revision != before {
            self.app.watch.check(world, driver.run().switch_touched()).map_err(|why| Self::blame(world, &why))?;
        }
        Ok(moved)
    }

    /// To the end, from wherever it is.
    fn finish(&self, driver: &mut Driver, world: &mut World) -> Found<Outcome> {
        for _ in 0..ENOUGH {
            match self.step(driver, world)? {
                Moved::Finished(outcome) => {
                    self.runs.set(self.runs.get() + 1);
                    rest(world);
                    self.app
                        .watch
                        .check(world, driver.run().switch_touched())
                        .map_err(|why| Self::blame(world, &why))?;
                    self.app.watch.check_content(world).map_err(|why| Self::blame(world, &why))?;
                    return Ok(outcome);
                }
                Moved::On | Moved::Waited => {}
                moved @ (Moved::Detached | Moved::Fenced) => {
                    return Err(Self::blame(world, &format!("a run that nobody disturbs is {moved:?}")));
                }
            }
        }
        Err(Self::blame(world, "the run does not end"))
    }

    fn compare(world: &World, wanted: &Place, but: But, what: &str) -> Found<()> {
        let wanted = wanted.but(but);
        let found = normal(world, but);
        if found == *wanted {
            return Ok(());
        }
        Err(Self::blame(world, &format!("{what}:\n{}", difference(wanted, &found))))
    }

    /// Whether the world is where this outcome says it is, leaving out at least so much.
    fn judge(&self, driver: &Driver, world: &World, outcome: &Outcome, but: But) -> Found<()> {
        self.judge_end(driver.run().switch_touched(), world, outcome, but)
    }

    /// The same for a run that somebody else drove.
    pub fn judge_end(&self, touched: bool, world: &World, outcome: &Outcome, but: But) -> Found<()> {
        match outcome {
            Outcome::Restored => match &self.restored {
                Some(restored) => Self::compare(world, restored, but, "restored, but not as undisturbed"),
                None => Ok(()),
            },
            Outcome::Undone | Outcome::RolledBack { .. } => {
                let but = match (but, touched) {
                    (But::Nothing, true) => But::KeptVolumes,
                    // Its class says Retain, and before the staged volume was seen nobody could say otherwise.
                    (But::Nothing, false) if self.app.shape.retain => But::KeptVolumes,
                    (But::Nothing, false) => But::Evidence,
                    (But::Evidence | But::KeptVolumes | But::Litter, _) => but,
                };
                Self::compare(world, &self.before, but, "undone, but not as before")
            }
            Outcome::Untidy { .. } | Outcome::Stuck { .. } => {
                Err(Self::blame(world, &format!("no step fails here, and yet: {outcome:?}")))
            }
        }
    }

    /// The run that nobody disturbs: where it ends is where every other has to end.
    pub fn undisturbed(&mut self) -> Found<World> {
        let mut rng = Rng::new(self.app.shape.seed ^ 0xD15A_57E2);
        let mut world = self.app.world.clone();
        let mut driver = self.take(&mut world, &mut rng);
        let outcome = self.finish(&mut driver, &mut world)?;
        let expected = !self.answers.declines && !self.answers.damaged;
        if (outcome == Outcome::Restored) != expected {
            return Err(Self::blame(&world, &format!("undisturbed it ends {outcome:?}")));
        }
        self.judge(&driver, &world, &outcome, But::Nothing)?;
        if expected {
            self.restored = Some(Place::of(&world));
        }
        Ok(world)
    }

    /// One crash for every small step of the run, then the same for its undo.
    pub fn run(&mut self) -> Found<()> {
        let mut world = self.undisturbed()?;
        let mut rng = Rng::new(self.app.shape.seed ^ 0x0C2A_54E5);
        let mut again = self.app.world.clone();
        let mut forward = self.take(&mut again, &mut rng);
        self.disturb(&mut forward, &mut again, &mut rng)?;
        if self.restored.is_some() {
            self.ask_back_and_forth(&mut world, &mut rng)?;
        }
        Ok(())
    }

    /// Undo, redo, undo of what is finished, with crashes in each.
    fn ask_back_and_forth(&self, world: &mut World, rng: &mut Rng) -> Found<()> {
        for (to, why) in [
            (Direction::Back, Turn::UndoRequested),
            (Direction::Forward, Turn::RedoRequested),
            (Direction::Back, Turn::UndoRequested),
        ] {
            let mut driver = self.take(world, rng);
            driver.turn(world, to, why);
            self.disturb(&mut driver, world, rng)?;
        }
        Ok(())
    }

    /// Performs the run to its end, and at every point what would have become of it, had the process stopped there.
    fn disturb(&self, driver: &mut Driver, world: &mut World, rng: &mut Rng) -> Found<()> {
        for _ in 0..ENOUGH {
            let moved = self.step(driver, world)?;
            match moved {
                Moved::Finished(outcome) => {
                    rest(world);
                    return self.judge(driver, world, &outcome, But::Nothing);
                }
                Moved::Waited if !rng.once_in(8) => continue,
                Moved::On | Moved::Waited => {}
                Moved::Detached | Moved::Fenced => {
                    return Err(Self::blame(world, &format!("a run that nobody disturbs is {moved:?}")));
                }
            }
            self.crash(world, Ending::Resume, rng)?;
            self.crash(world, Ending::Undo, rng)?;
            self.crash_twice(world, rng)?;
            if driver.in_flight().iter().any(|flight| matches!(flight.flight, Flight::Act(_))) {
                self.lose_request(driver, world)?;
                for ending in [Ending::Resume, Ending::Undo] {
                    self.sleep(driver, world, ending, rng)?;
                }
            }
        }
        Err(Self::blame(world, "the run does not end"))
    }

    fn successor(&self, world: &mut World, ending: Ending, rng: &mut Rng) -> Driver {
        let mut driver = self.take(world, rng);
        if ending == Ending::Undo {
            driver.turn(world, Direction::Back, Turn::UndoRequested);
        }
        driver
    }

    fn crash(&self, world: &World, ending: Ending, rng: &mut Rng) -> Found<()> {
        let mut world = fork(world, rng, "crash");
        let mut driver = self.successor(&mut world, ending, rng);
        let outcome = self.finish(&mut driver, &mut world)?;
        self.judge(&driver, &world, &outcome, But::Nothing)
    }

    /// The process that resumes crashes as well, somewhere, perhaps while it still takes the run over.
    fn crash_twice(&self, world: &World, rng: &mut Rng) -> Found<()> {
        let mut world = fork(world, rng, "first of two crashes");
        let endings = [Ending::Resume, Ending::Undo];
        let mut driver = self.successor(&mut world, endings[rng.below(2)], rng);
        for _ in 0..rng.below(60) {
            if let Moved::Finished(_) = self.step(&mut driver, &mut world)? {
                break;
            }
        }
        self.crash(&world, endings[rng.below(2)], rng)
    }

    /// The request never arrives, and the process finds out by looking.
    fn lose_request(&self, driver: &Driver, world: &World) -> Found<()> {
        let mut world = world.clone();
        let mut driver = driver.clone();
        driver.lose_requests();
        let outcome = self.finish(&mut driver, &mut world)?;
        self.judge(&driver, &world, &outcome, But::Nothing)
    }

    /// The process sleeps between the journal's check and its request, and wakes at some time of its successor's run.
    fn sleep(&self, sleeper: &Driver, world: &World, ending: Ending, rng: &mut Rng) -> Found<()> {
        let mut world = fork(world, rng, "asleep");
        let mut sleeper = sleeper.clone();
        // No resourceVersion guards what does not exist yet.
        let creates =
            |flight: &InFlight| matches!(flight.flight, Flight::Act(Request::Create { .. } | Request::Copy { .. }));
        let but = if sleeper.in_flight().iter().any(creates) { But::Litter } else { But::Nothing };
        let mut driver = self.successor(&mut world, ending, rng);
        let wakes_at_the_end = rng.once_in(2);
        if !wakes_at_the_end {
            // Not before the takeover is through: until then the two cannot be told from one that came before.
            for _ in 0..=rng.below(80) {
                if let Moved::Finished(_) = self.step(&mut driver, &mut world)? {
                    break;
                }
            }
            while driver.takes_over() {
                self.step(&mut driver, &mut world)?;
            }
            sleeper.wake(&mut world);
            self.app.watch.check(&world, driver.run().switch_touched()).map_err(|why| Self::blame(&world, &why))?;
        }
        let mut outcome = self.finish(&mut driver, &mut world)?;
        if wakes_at_the_end {
            sleeper.wake(&mut world);
            rest(&mut world);
            self.app.watch.check(&world, driver.run().switch_touched()).map_err(|why| Self::blame(&world, &why))?;
            outcome = self.finish(&mut driver, &mut world)?;
        }
        // What a sleeper created may stand in the way; the run says so and stops, and whoever asks again gets through.
        let in_the_way = matches!(outcome, Outcome::Stuck { .. } | Outcome::Untidy { .. }) && but == But::Litter;
        if in_the_way {
            driver = self.successor(&mut world, ending, rng);
            outcome = self.finish(&mut driver, &mut world)?;
        }
        sleeper.lose_requests();
        for _ in 0..ENOUGH {
            match sleeper.advance(&mut world) {
                Moved::Fenced => return self.judge(&driver, &world, &outcome, but),
                Moved::On | Moved::Waited => {}
                moved @ (Moved::Finished(_) | Moved::Detached) => {
                    return Err(Self::blame(&world, &format!("a process that lost the run is {moved:?}")));
                }
            }
        }
        Err(Self::blame(&world, "a process that lost the run goes on"))
    }
}

/// A world's end, as far as each comparison looks.
#[derive(Debug)]
struct Place(Vec<(But, Normal)>);

impl Place {
    fn of(world: &World) -> Self {
        Self(But::ALL.into_iter().map(|but| (but, normal(world, but))).collect())
    }

    fn but(&self, but: But) -> &Normal {
        self.0.iter().find(|(known, _)| *known == but).map(|(_, normal)| normal).expect("all were made")
    }
}

/// Another future from the same past.
fn fork(world: &World, rng: &mut Rng, why: &str) -> World {
    let mut world = world.clone();
    world.rng = Rng::new(rng.word());
    world.tell(format!("*** {why}"));
    world
}

/// Time for what needs no process of ours: pods that end, garbage that is collected.
pub fn rest(world: &mut World) {
    for _ in 0..12 {
        world.tick();
    }
}
