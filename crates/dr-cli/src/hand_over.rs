//! `kubectl dr`: finds the executable that the first word names and replaces itself by it.
//!
//! krew links one file per plugin, so the siblings lie beside the link's target, not beside the link.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exit::Exit;
use crate::out;
use crate::report::Failure;

/// The commands, with what each does.
const COMMANDS: [(&str, &str); 3] = [
    ("backup", "Back a namespace up through Velero, with proof of what was taken"),
    ("restore", "Bring a namespace's data back: staged, verified, swapped in, and undoable"),
    ("lint", "Find what makes a backup worthless before it is needed"),
];

pub(crate) fn run(args: &[OsString]) -> Result<Exit, Failure> {
    let Some(first) = args.first() else {
        out::result(&help())?;
        return Ok(Exit::Done);
    };
    let rest = args.get(1..).unwrap_or(&[]);
    match first.to_str() {
        Some("-h" | "--help") => {
            out::result(&help())?;
            Ok(Exit::Done)
        }
        Some("help") => match rest.first() {
            None => {
                out::result(&help())?;
                Ok(Exit::Done)
            }
            Some(word) => become_sibling(command(word)?, &[OsString::from("--help")]),
        },
        Some("-V" | "--version" | "version") => {
            out::result(&format!("kubectl-dr {}", env!("CARGO_PKG_VERSION")))?;
            Ok(Exit::Done)
        }
        Some(flag) if flag.starts_with('-') => {
            let message = format!("unexpected flag {flag} before the command");
            Err(Failure::usage(message).hint("flags come after it: kubectl dr restore --ns NAMESPACE"))
        }
        Some(_) | None => become_sibling(command(first)?, rest),
    }
}

fn command(word: &OsStr) -> Result<&'static str, Failure> {
    let word = word.to_string_lossy();
    if let Some((name, _)) = COMMANDS.iter().find(|(name, _)| *name == word) {
        return Ok(name);
    }
    let nearest = COMMANDS.iter().map(|(name, _)| (strsim::damerau_levenshtein(&word, name), *name)).min();
    let hint = match nearest {
        Some((distance, name)) if distance <= 3 => format!("did you mean kubectl dr {name}?"),
        Some(_) | None => "kubectl dr --help lists the commands".to_owned(),
    };
    Err(Failure::usage(format!("unknown command {word:?}")).hint(hint))
}

fn help() -> String {
    let commands: Vec<String> = COMMANDS.iter().map(|(name, about)| format!("  {name:<9}{about}")).collect();
    let commands = commands.join("\n");
    format!(
        "Disaster recovery that brings the data back, proves it and can be undone, through the Velero in the \
         cluster.\n\nUsage: kubectl dr <COMMAND> [OPTIONS]\n\nCommands:\n{commands}\n\nOptions:\n  -h, --help     \
         Print help\n  -V, --version  Print version\n\nkubectl dr <COMMAND> --help tells about a command."
    )
}

/// Where a sibling is: beside the real place of this executable, then on PATH.
fn sibling(name: &str) -> Result<PathBuf, Failure> {
    let file = format!("kubectl-dr-{name}{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| Failure::failed("cannot find out where kubectl-dr itself lies", error))?;
    let beside = own.parent().map(|folder| folder.join(&file)).filter(|path| path.is_file());
    match beside {
        Some(path) => Ok(path),
        None => which::which(&file).map_err(|error| {
            let doing = format!("cannot find {file} beside {} or on PATH", own.display());
            Failure::failed(doing, error).hint("install it again: all four executables belong into one folder")
        }),
    }
}

fn become_sibling(name: &str, args: &[OsString]) -> Result<Exit, Failure> {
    let path = sibling(name)?;
    replace(&path, args)
}

#[cfg(unix)]
fn replace(path: &Path, args: &[OsString]) -> Result<Exit, Failure> {
    use std::os::unix::process::CommandExt;

    let error = Command::new(path).args(args).exec();
    Err(Failure::failed(format!("cannot run {}", path.display()), error))
}

#[cfg(not(unix))]
fn replace(path: &Path, args: &[OsString]) -> Result<Exit, Failure> {
    let status = Command::new(path).args(args).status();
    let status = status.map_err(|error| Failure::failed(format!("cannot run {}", path.display()), error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.and_then(Exit::of_code).ok_or_else(|| Failure::new(Exit::Failed, format!("{} was ended", path.display())))
}
