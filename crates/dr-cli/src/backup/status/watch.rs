//! `--watch`: looking again until Ctrl-C.

use std::io::IsTerminal as _;
use std::pin::pin;
use std::time::Duration;

use super::{Answer, Look};
use crate::exit::Exit;
use crate::flags::{Flags, Output};
use crate::report::Failure;
use crate::{out, render};

/// To the upper left corner, and nothing below it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Ends with the code of the last look. A look that failed is told and tried again; when it was the last, nothing is
/// known to be good.
pub(super) async fn until_interrupted(look: &mut Look<'_>, flags: &Flags, interval: Duration) -> Result<Exit, Failure> {
    let redraw = std::io::stdout().is_terminal();
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut last: Option<Answer> = None;
    let mut exit = Exit::Failed;
    loop {
        let looked = tokio::select! {
            _ = &mut interrupted => return Ok(exit),
            looked = look.once() => looked,
        };
        match looked {
            Ok(answer) => {
                exit = answer.exit();
                if redraw {
                    let table = render::recovery::text(&answer, flags.output == Output::Wide)?;
                    let head = format!(
                        "{CLEAR}{}, every {} s; Ctrl-C ends",
                        render::plan::at(answer.taken),
                        interval.as_secs()
                    );
                    out::result(&format!("{head}\n\n{table}"))?;
                } else {
                    for line in render::recovery::changes(last.as_ref(), &answer) {
                        out::result(&line)?;
                    }
                }
                last = Some(answer);
            }
            // A cluster that was never reached is not worth waiting for.
            Err(failure) if last.is_none() => return Err(failure),
            Err(failure) => {
                exit = Exit::Failed;
                out::prose(&failure.render());
            }
        }
        tokio::select! {
            _ = &mut interrupted => return Ok(exit),
            () = tokio::time::sleep(interval) => {}
        }
    }
}
