//! Which files are read.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use dr_lint::{Added, Input, Language, Reading, Version};

use super::threads::{each, side_by_side, threads};
use super::walk::{Excluded, Walk, normal};
use crate::exit::Exit;
use crate::report::Failure;

/// What the command line names.
pub(super) struct Named<'c> {
    pub(super) files: &'c [PathBuf],
    /// Looked at and not judged.
    pub(super) context: &'c [PathBuf],
    /// Looked through for commands of velero.
    pub(super) shell: &'c [PathBuf],
    /// Files of our own, which are no manifests.
    pub(super) own: &'c [PathBuf],
    /// What is left out of folders.
    pub(super) excluded: &'c [Excluded],
    /// Whether `.gitignore` and its like are looked at.
    pub(super) ignore: bool,
    pub(super) velero: Version,
    pub(super) stdin: &'c Stdin,
}

/// Standard input, which can be read once.
#[derive(Debug, Default)]
pub(super) struct Stdin(OnceLock<Vec<u8>>);

impl Stdin {
    fn read(&self) -> Result<&[u8], Failure> {
        if let Some(bytes) = self.0.get() {
            return Ok(bytes);
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| unreadable("standard input", error))?;
        Ok(self.0.get_or_init(|| bytes))
    }
}

/// A file that was asked for and has nothing in it.
pub(super) struct Empty {
    pub(super) name: String,
    pub(super) what: &'static str,
}

/// Bytes from which on the documents of one file are read side by side.
const LONG: usize = 200_000;

/// One file that is to be read, or standard input.
struct Wanted {
    path: PathBuf,
    context: bool,
    reading: Reading,
}

impl Wanted {
    fn read(&self, stdin: &Stdin, threads: usize) -> Result<Added, Failure> {
        let name = self.path.display().to_string();
        let bytes = if name == "-" {
            stdin.read()?.to_vec()
        } else {
            fs::read(&self.path).map_err(|error| unreadable(&name, error))?
        };
        let threads = if bytes.len() < LONG { 1 } else { threads };
        let side_by_side = |count: usize, work: &(dyn Fn(usize) + Sync)| each(count, threads, work);
        Ok(Added::read_with(name, bytes, self.context, self.reading, &side_by_side))
    }
}

/// Reads what was named, in the order of names; says which files hold nothing.
pub(super) fn read(named: &Named<'_>) -> Result<(Input, Vec<Empty>), Failure> {
    let wanted = wanted(named)?;
    let mut input = Input::default();
    // What files leave of the threads is for the documents of each.
    let of_each = threads() / wanted.len().clamp(1, threads());
    for added in side_by_side(&wanted, threads(), |wanted| wanted.read(named.stdin, of_each)) {
        input.push(added?);
    }
    let empty = empty(&input);
    Ok((input, empty))
}

/// The files, each once; one that is named twice is looked through for commands as well.
fn wanted(named: &Named<'_>) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    // One file may be named in several ways.
    let key = |path: &Path| normal(path).map_err(|error| unreadable(&path.display().to_string(), error));
    let mut seen: BTreeSet<PathBuf> = named.own.iter().map(|path| key(path)).collect::<Result<_, _>>()?;
    let walk = Walk { excluded: named.excluded, ignore: named.ignore };
    let groups = [(named.shell, true, false), (named.files, false, false), (named.context, false, true)];
    for (paths, shell, context) in groups {
        for path in paths {
            let stdin = path == Path::new("-");
            let files = if stdin { vec![path.clone()] } else { walk.files(path, shell)? };
            for path in files {
                let language = Language::of(&path.display().to_string());
                let reading = if shell { Reading::Commands(language, named.velero) } else { Reading::Manifests };
                if stdin || seen.insert(key(&path)?) {
                    wanted.push(Wanted { path, context, reading });
                }
            }
        }
    }
    Ok(wanted)
}

fn empty(input: &Input) -> Vec<Empty> {
    let empty = input
        .files
        .iter()
        .filter(|file| !file.context && !file.template && file.problem.is_none() && file.documents.is_empty());
    let empty = empty.map(|file| Empty {
        name: file.name.clone(),
        what: match file.reading {
            Reading::Manifests => "no manifest in it",
            Reading::Commands(..) => "no command of velero in it",
            Reading::Baseline => "no entry in it",
        },
    });
    empty.collect()
}

pub(super) fn unreadable(name: &str, error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot read {name}"), error).with_exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_the_same_by_any_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        let wanted: Vec<Wanted> = (0..80)
            .map(|at| {
                let path = folder.path().join(format!("{at}.yaml"));
                // Files that take longer come between such that take none.
                let text = "a: [1, 2]\n---\n".repeat(1 + at * 37 % 53) + "kind: {\n";
                fs::write(&path, format!("kind: Backup\nmetadata: {{name: b{at}}}\n---\n{text}")).unwrap();
                Wanted { path, context: at % 7 == 0, reading: Reading::Manifests }
            })
            .collect();
        let told = |threads| {
            let mut input = Input::default();
            for added in side_by_side(&wanted, threads, |wanted| wanted.read(&Stdin::default(), 2)) {
                input.push(added.unwrap());
            }
            let judgement = dr_lint::judge(&input, &dr_lint::Settings::default());
            assert_eq!(judgement.findings.len(), 80 - 80usize.div_ceil(7));
            format!("{:?} {:?} {judgement:?}", input.files, input.objects)
        };
        let one = told(1);
        for threads in [2, 16, 200] {
            assert!(told(threads) == one, "{threads} threads");
        }
    }

    #[test]
    fn of_several_files_that_cannot_be_read_the_first_is_named() {
        let wanted: Vec<Wanted> = (0..50)
            .map(|at| Wanted { path: format!("nowhere/{at}").into(), context: false, reading: Reading::Manifests })
            .collect();
        let failed = side_by_side(&wanted, 8, |wanted| wanted.read(&Stdin::default(), 2))
            .into_iter()
            .find_map(Result::err)
            .unwrap();
        assert_eq!(failed.error.to_string(), "cannot read nowhere/0");
    }
}
