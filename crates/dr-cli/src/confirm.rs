//! Questions before anything that cannot be taken back by doing nothing.

use clap::ValueEnum;
use colored::Colorize;
use dialoguer::Input;

use crate::flags::Output;
use crate::out;
use crate::report::Failure;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// `--yes` was given.
    Yes,
    Terminal,
}

impl Asker {
    /// Finds out who answers before anything is begun: a question that nobody can answer is a refusal now, not later.
    pub(crate) fn find(yes: bool, output: Output) -> Result<Self, Failure> {
        if yes {
            return Ok(Self::Yes);
        }
        if output.is_for_programs() {
            let format = output.to_possible_value().map_or_else(String::new, |value| format!(" {}", value.get_name()));
            let message = format!("this needs a confirmation, and with -o{format} nobody is asked");
            return Err(Failure::refused(message).hint("add --yes, or --dry-run to see the plan only"));
        }
        if !out::can_ask() {
            let message = "this needs a confirmation, and there is no terminal to ask on";
            return Err(Failure::refused(message).hint("add --yes, or --dry-run to see the plan only"));
        }
        Ok(Self::Terminal)
    }

    pub(crate) fn how(self) -> &'static str {
        match self {
            Self::Yes => "--yes",
            Self::Terminal => "typed the namespace",
        }
    }

    /// Shows where it is about to happen and has the namespace typed.
    pub(crate) fn confirm(self, place: &Where<'_>, question: &str) -> Result<bool, Failure> {
        let Where { context, server, namespace } = place;
        out::prose(&format!(
            "\n  context   {}\n  server    {server}\n  namespace {}\n",
            context.bold(),
            namespace.bold()
        ));
        match self {
            Self::Yes => Ok(true),
            Self::Terminal => {
                let prompt = format!("{question} Type the namespace to go on");
                let typed: String = Input::new()
                    .with_prompt(prompt)
                    .allow_empty(true)
                    .interact_text()
                    .map_err(|error| Failure::failed("cannot ask for the confirmation", error))?;
                Ok(typed.trim() == *namespace)
            }
        }
    }
}

/// The place that is about to change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Where<'a> {
    pub(crate) context: &'a str,
    pub(crate) server: &'a str,
    pub(crate) namespace: &'a str,
}
