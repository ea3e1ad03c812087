//! What a run would still do if it were carried on, to its end: for `--dry-run`, which does none of it.

use dr_run::journal::{Direction, Entry, Event, Turn};
use dr_run::run::Next;
use dr_run::slot::Bindings;

use crate::flags::{Flags, Output};
use crate::json::status::RunStatusV1;
use crate::report::Failure;
use crate::story::Story;
use crate::{out, render};

/// A run as it is, with everything that carrying it on would do.
#[derive(Debug)]
pub(crate) struct Ahead<'a> {
    story: &'a Story,
    pub(crate) todo: Vec<String>,
}

impl Story {
    /// Carried on as it is, or turned first. Every step is taken to succeed.
    pub(crate) fn ahead_with(&self, turn: Option<(Direction, Turn)>) -> Result<Ahead<'_>, Failure> {
        let mut run = self.run.clone();
        let at = run.plan().made;
        let epoch = run.epoch() + 1;
        let tell = |run: &mut dr_run::run::Run, event: Event| {
            run.apply(&Entry { at, epoch, event }).map_err(|error| Failure::failed("cannot foresee the run", error))
        };
        tell(&mut run, Event::Taken { by: "nobody".to_owned() })?;
        if let Some((to, why)) = turn
            && run.direction() != to
        {
            tell(&mut run, Event::Turned { to, why, because: "asked for".to_owned() })?;
        }
        let mut todo = Vec::new();
        // Each step is settled, done and taken back at most once on a way without failures.
        for _ in 0..=3 * run.plan().steps().count() {
            let events = match run.next() {
                Next::Finished(_) => break,
                Next::Settle(steps) => {
                    todo.extend(steps.iter().map(|step| format!("take back what is left of: {}", step.title)));
                    let settled = |name| Event::Settled { step: name, bound: Bindings::new() };
                    steps.iter().map(|step| settled(step.name.clone())).collect()
                }
                Next::Perform { direction, steps } => {
                    let back = if direction == Direction::Back { "take back: " } else { "" };
                    todo.extend(steps.iter().map(|step| format!("{back}{}", step.title)));
                    let names: Vec<_> = steps.iter().map(|step| step.name.clone()).collect();
                    let done = |step| Event::Done { step, direction, bound: Bindings::new() };
                    let intent = Event::Intent { steps: names.clone(), direction };
                    std::iter::once(intent).chain(names.into_iter().map(done)).collect::<Vec<_>>()
                }
                Next::Turn { to, why, because } => vec![Event::Turned { to, why, because }],
            };
            for event in events {
                tell(&mut run, event)?;
            }
        }
        Ok(Ahead { story: self, todo })
    }
}

impl Ahead<'_> {
    pub(crate) fn show(self, flags: &Flags) -> Result<(), Failure> {
        let Self { story, todo } = self;
        match flags.output {
            Output::Table | Output::Wide => {
                out::result(&render::status::ahead(story, &todo, flags.output == Output::Wide))
            }
            Output::Json => out::json(&RunStatusV1::from(story).with_next(todo)),
            Output::Yaml => out::yaml(&RunStatusV1::from(story).with_next(todo)),
            Output::Name => out::result(&story.run.plan().id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{self, Diary};

    #[test]
    fn an_undo_would_walk_back_over_everything_the_application_noticed_newest_first() {
        let story = samples::restored();
        let ahead = story.ahead_with(Some((Direction::Back, Turn::UndoRequested))).unwrap();
        assert_eq!(
            ahead.todo,
            [
                "take back: scale statefulset/postgres from 0 to 1",
                "take back: delete the live claim data-postgres-0",
                "take back: scale statefulset/postgres from 1 to 0",
            ]
        );
    }

    #[test]
    fn resuming_would_do_everything_that_is_not_done() {
        let staged = samples::fingerprint(&[("shop.public.books", 1)]);
        let story = Diary::new().up_to("confirm", None, &staged).story();
        let ahead = story.ahead_with(None).unwrap();
        assert_eq!(ahead.todo.len(), 3);
        assert_eq!(ahead.todo[0], "scale statefulset/postgres from 1 to 0");
        assert_eq!(samples::restored().ahead_with(None).unwrap().todo, [""; 0]);
    }
}
