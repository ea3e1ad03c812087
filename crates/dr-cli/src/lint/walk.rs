//! Which files a folder and a pattern stand for. A file that is named is read, whatever is said of others.

use std::path::{Component, Path, PathBuf};

use dr_lint::Language;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};

use super::files::unreadable;
use crate::report::Failure;

/// Patterns of what is left out, as `.gitignore` writes them, and the folder they begin in.
#[derive(Debug, Clone)]
pub(super) struct Excluded(Gitignore);

impl Excluded {
    pub(super) fn new(folder: &Path, globs: &[String]) -> Result<Self, Failure> {
        let wrong = |glob: &str, error: &ignore::Error| {
            let plain = if let ignore::Error::Glob { err, .. } = error { err.clone() } else { error.to_string() };
            Failure::usage(format!("{glob:?} is no pattern: {plain}"))
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let folder = normal(folder).map_err(|error| unreadable(&folder.display().to_string(), error))?;
        let mut builder = GitignoreBuilder::new(folder);
        for glob in globs {
            builder.add_line(None, glob).map_err(|error| wrong(glob, &error))?;
        }
        builder.build().map(Self).map_err(|error| wrong(&globs.join(" "), &error))
    }

    fn has(&self, path: &Path, folder: bool) -> bool {
        self.0.matched(path, folder).is_ignore()
    }

    /// Whether the patterns are about a file: by its own name or by that of a folder around it.
    pub(super) fn holds(&self, file: &Path) -> bool {
        let file = normal(file).ok().filter(|file| file.starts_with(self.0.path()));
        file.is_some_and(|file| self.0.matched_path_or_any_parents(file, false).is_ignore())
    }
}

/// A path by which files can be told apart: from the root on, without `.` and `..`; links stay what they are.
pub(super) fn normal(path: &Path) -> std::io::Result<PathBuf> {
    let mut normal = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    Ok(normal)
}

pub(super) struct Walk<'c> {
    pub(super) excluded: &'c [Excluded],
    pub(super) ignore: bool,
}

impl Walk<'_> {
    /// The files that a path of the command line stands for, sorted.
    pub(super) fn files(&self, path: &Path, shell: bool) -> Result<Vec<PathBuf>, Failure> {
        let name = path.display().to_string();
        let manifest =
            |path: &Path| path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        let likely = |path: &Path| {
            if shell { Language::is_likely(&path.display().to_string()) } else { manifest(path) }
        };
        match path.metadata() {
            Ok(about) if about.is_dir() => self.below(path, None, likely),
            Ok(_) => Ok(vec![path.to_path_buf()]),
            // A file may have a name that looks like a pattern; a shell would have put nothing in place of one without any.
            Err(_) if name.contains(['*', '?', '[', '{']) => self.matching(path),
            Err(error) => Err(unreadable(&name, error)),
        }
    }

    /// The files of a pattern that no shell has put them in place of.
    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, Failure> {
        let shown = pattern.display().to_string();
        let literal = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
        let folder: PathBuf = pattern.components().take_while(literal).collect();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let rest: PathBuf = pattern.components().skip_while(literal).collect();
        let mut builder = GitignoreBuilder::new(&folder);
        let anchored = format!("/{}", rest.display());
        let one = builder.add_line(None, &anchored).and_then(|builder| builder.build());
        let one = one.map_err(|error| Failure::usage(format!("{shown:?} is no pattern: {error}")))?;
        let deepest = (!shown.contains("**")).then(|| rest.components().count());
        let mut found = if folder.is_dir() {
            self.below(&folder, deepest, |path| one.matched(path, false).is_ignore())?
        } else {
            Vec::new()
        };
        if found.is_empty() {
            return Err(Failure::usage(format!("no file matches {shown}")));
        }
        // A walk from `.` says so of each file; who wrote the pattern did not.
        if !shown.starts_with("./") {
            found = found.iter().map(|path| path.strip_prefix(".").unwrap_or(path).to_path_buf()).collect();
        }
        Ok(found)
    }

    /// Files below a folder. Hidden ones are left out, and what git or an `.ignore` file leaves out.
    fn below(
        &self,
        folder: &Path,
        deepest: Option<usize>,
        wanted: impl Fn(&Path) -> bool,
    ) -> Result<Vec<PathBuf>, Failure> {
        let mut builder = WalkBuilder::new(folder);
        // A link to a folder may lead back up.
        builder.max_depth(deepest).follow_links(false).hidden(true).ignore(self.ignore).parents(self.ignore);
        builder.git_ignore(self.ignore).git_global(self.ignore).git_exclude(self.ignore);
        let excluded = self.excluded.to_vec();
        if !excluded.is_empty() {
            builder.filter_entry(move |entry| entry.depth() == 0 || !excluded.iter().any(|all| left_out(all, entry)));
        }
        let mut found = Vec::new();
        for entry in builder.build() {
            let entry = entry.map_err(|error| {
                let name = place(&error).unwrap_or(folder).display().to_string();
                let error = error.into_io_error().unwrap_or_else(|| std::io::Error::other("it cannot be listed"));
                unreadable(&name, error)
            })?;
            if entry.file_type().is_some_and(|kind| !kind.is_dir()) && wanted(entry.path()) && entry.path().is_file() {
                found.push(entry.into_path());
            }
        }
        found.sort();
        Ok(found)
    }
}

fn left_out(excluded: &Excluded, entry: &DirEntry) -> bool {
    let folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    normal(entry.path()).is_ok_and(|path| excluded.has(&path, folder))
}

/// What could not be read.
fn place(error: &ignore::Error) -> Option<&Path> {
    if let ignore::Error::WithDepth { err, .. } = error {
        return place(err);
    }
    if let ignore::Error::WithPath { path, .. } = error { Some(path) } else { None }
}
