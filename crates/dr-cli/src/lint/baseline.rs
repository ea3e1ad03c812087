//! The file of the baseline: found, read, and written whole or not at all. Files in it are named from its own folder on.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use dr_lint::baseline::{self, Entry, Whereabouts};
use dr_lint::{By, Input, Judgement};
use dr_yaml::Text;

use super::walk::normal;
use super::{config, files, mend};
use crate::exit::Exit;
use crate::out;
use crate::report::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Findings that are told no more, one entry each; that of dr-lint.yaml otherwise
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Tell everything, whatever dr-lint.yaml says of a baseline
    #[arg(long, conflicts_with_all = ["baseline", "write_baseline"])]
    no_baseline: bool,
    /// Write into the baseline what is found now; reasons stay, and what hides nothing any more goes
    #[arg(long, conflicts_with_all = ["fix", "diff"])]
    pub(super) write_baseline: bool,
}

impl Flags {
    /// The file, that of the configuration where none is named here.
    pub(super) fn path<'f>(&'f self, configured: Option<&'f Path>) -> Result<Option<&'f Path>, Failure> {
        let path = self.baseline.as_deref().or(configured).filter(|_| !self.no_baseline);
        if self.write_baseline && path.is_none() {
            let hint = "say --baseline FILE, or baseline: FILE in dr-lint.yaml";
            return Err(Failure::usage("which baseline is to be written?").hint(hint));
        }
        Ok(path)
    }
}

/// A baseline that was read, or one that is to be.
pub(super) struct Baseline {
    pub(super) path: PathBuf,
    text: String,
    entries: Vec<Entry>,
}

impl Baseline {
    /// `new`: it may not be there yet.
    pub(super) fn read(path: &Path, new: bool) -> Result<Self, Failure> {
        let shown = path.display();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if new && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_path_buf(), text: String::new(), entries: Vec::new() });
            }
            Err(error) => {
                let failure = Failure::failed(format!("cannot read the baseline {shown}"), error);
                return Err(failure.with_exit(Exit::Usage).hint("--write-baseline makes it"));
            }
        };
        let hint =
            "a version before it was damaged may be in git; with --write-baseline one that is not there is made anew";
        let text =
            Text::decode(bytes).map_err(|problem| Failure::usage(format!("{shown}: {problem}")).hint(hint))?.text;
        let entries = baseline::read(&Text::from(text.as_str()))
            .map_err(|mistake| config::mistaken(path, &text, &mistake).hint(hint))?;
        Ok(Self { path: path.to_path_buf(), text, entries })
    }

    /// Has its entries hide what is found in these files.
    pub(super) fn hide(&self, input: &mut Input) -> Result<(), Failure> {
        let judged = input.files.iter().enumerate().filter(|(_, file)| !file.context && !file.live);
        let judged: HashMap<PathBuf, usize> =
            judged.map(|(at, file)| Ok((place(Path::new(&file.name))?, at))).collect::<Result<_, Failure>>()?;
        let folder = self.folder()?;
        let from_here = |file: &str| if file == "-" { Ok("-".into()) } else { normal(&folder.join(file)) };
        let whereabouts = |file: &str| match from_here(file) {
            Ok(file) if judged.contains_key(&file) => {
                judged.get(&file).map_or(Whereabouts::Elsewhere, |at| Whereabouts::Read(*at))
            }
            Ok(file)
                if file != Path::new("-")
                    && file.symlink_metadata().is_err_and(|error| {
                        matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
                    }) =>
            {
                Whereabouts::Gone
            }
            Ok(_) | Err(_) => Whereabouts::Elsewhere,
        };
        let read: HashSet<PathBuf> = input
            .files
            .iter()
            .filter(|file| !file.live)
            .map(|file| place(Path::new(&file.name)))
            .collect::<Result<_, _>>()?;
        let apart = |file: &str| match from_here(file) {
            Ok(path) => !read.contains(&path) && path.symlink_metadata().is_ok(),
            Err(_) => true,
        };
        input.hide(self.path.display().to_string(), &self.text, self.entries.clone(), whereabouts, apart);
        Ok(())
    }

    /// Writes what hides everything that is found now, and reads it again.
    pub(super) fn renew(self, input: &Input, judgement: &Judgement) -> Result<Self, Failure> {
        let folder = self.folder()?;
        let name = |file: &str| match place(Path::new(file)) {
            Ok(path) if file != "-" => between(&folder, &path),
            Ok(_) | Err(_) => file.to_owned(),
        };
        let entries = baseline::renewed(input, judgement, name);
        let text = baseline::write(&entries);
        let shown = self.path.display().to_string();
        if text != self.text {
            mend::put(&self.path, text.as_bytes())
                .map_err(|error| Failure::failed(format!("cannot write the baseline {shown}"), error))?;
        }
        let hidden = judgement.silenced.iter().filter(|silenced| matches!(silenced.by, By::Baseline(_))).count();
        let kept = hidden + self.entries.len().saturating_sub(hidden + judgement.stale.len());
        let new = entries.len().saturating_sub(kept);
        out::prose(&format!("{shown}: {} in it, {new} new, {} gone", entries.len(), judgement.stale.len()));
        Self::read(&self.path, false)
    }

    fn folder(&self) -> Result<PathBuf, Failure> {
        let mut path = place(&self.path)?;
        path.pop();
        Ok(path)
    }
}

/// Where a file is, from the root on; standard input is nowhere.
fn place(file: &Path) -> Result<PathBuf, Failure> {
    if file == Path::new("-") {
        return Ok(file.to_path_buf());
    }
    normal(file).map_err(|error| files::unreadable(&file.display().to_string(), error))
}

/// The way from a folder to a file, with `/`.
fn between(folder: &Path, file: &Path) -> String {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (folder.components().collect(), file.components().collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - same);
    let down = to.iter().skip(same).map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_folder_of_the_baseline_on() {
        let way = |folder: &str, file: &str| between(Path::new(folder), Path::new(file));
        assert_eq!(way("/a/b", "/a/b/c/d.yaml"), "c/d.yaml");
        assert_eq!(way("/a/b", "/a/c/d.yaml"), "../c/d.yaml");
        assert_eq!(way("/", "/d.yaml"), "d.yaml");
    }
}
