//! Which files are read.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use dr_lint::{Added, Input, Language, Reading, Version};

use super::walk::{Excluded, Walk};
use crate::exit::Exit;
use crate::report::Failure;

/// What the command line names.
pub(super) struct Named<'c> {
    pub(super) files: &'c [PathBuf],
    /// Looked at and not judged.
    pub(super) context: &'c [PathBuf],
    /// Looked through for commands of velero.
    pub(super) shell: &'c [PathBuf],
    /// What is left out of folders.
    pub(super) excluded: &'c [Excluded],
    /// Whether `.gitignore` and its like are looked at.
    pub(super) ignore: bool,
    pub(super) velero: Version,
}

/// A file that was asked for and has nothing in it.
pub(super) struct Empty {
    pub(super) name: String,
    pub(super) what: &'static str,
}

/// Reads what was named, in the order of names; says which files hold nothing.
pub(super) fn read(named: &Named<'_>) -> Result<(Input, Vec<Empty>), Failure> {
    let mut input = Input::default();
    let mut seen = BTreeSet::new();
    let walk = Walk { excluded: named.excluded, ignore: named.ignore };
    // A file that is named twice is looked through for commands as well.
    let groups = [(named.shell, true, false), (named.files, false, false), (named.context, false, true)];
    for (paths, shell, context) in groups {
        for path in paths {
            let reading = |name: &str| {
                if shell { Reading::Commands(Language::of(name), named.velero) } else { Reading::Manifests }
            };
            if path == Path::new("-") {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut bytes);
                read.map_err(|error| unreadable("standard input", error))?;
                input.push(Added::read("-", &bytes, context, reading("-")));
                continue;
            }
            for path in walk.files(path, shell)? {
                if seen.insert(path.clone()) {
                    let name = path.display().to_string();
                    let bytes = fs::read(&path).map_err(|error| unreadable(&name, error))?;
                    let reading = reading(&name);
                    input.push(Added::read(name, &bytes, context, reading));
                }
            }
        }
    }
    let empty = input
        .files
        .iter()
        .filter(|file| !file.context && !file.template && file.problem.is_none() && file.documents.is_empty());
    let empty = empty.map(|file| Empty {
        name: file.name.clone(),
        what: match file.reading {
            Reading::Manifests => "no manifest in it",
            Reading::Commands(..) => "no command of velero in it",
        },
    });
    let empty = empty.collect();
    Ok((input, empty))
}

pub(super) fn unreadable(name: &str, error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot read {name}"), error).with_exit(Exit::Usage)
}
