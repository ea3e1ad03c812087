//! Which files are read.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use dr_lint::Input;

use crate::exit::Exit;
use crate::report::Failure;

/// Reads what was named, in the order of names; says which named files hold no manifest.
pub(super) fn read(input: &mut Input, named: &[PathBuf], context: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut seen = BTreeSet::new();
    for (paths, is_context) in [(named, false), (context, true)] {
        for path in paths {
            if path == Path::new("-") {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut bytes);
                read.map_err(|error| unreadable("standard input", error))?;
                input.add("-", &bytes, is_context);
                continue;
            }
            for path in below(path)? {
                if seen.insert(path.clone()) {
                    let name = path.display().to_string();
                    let bytes = fs::read(&path).map_err(|error| unreadable(&name, error))?;
                    input.add(name, &bytes, is_context);
                }
            }
        }
    }
    let empty = input
        .files
        .iter()
        .filter(|file| !file.context && !file.template && file.problem.is_none() && file.documents.is_empty());
    Ok(empty.map(|file| file.name.clone()).collect())
}

fn unreadable(name: &str, error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot read {name}"), error).with_exit(Exit::Usage)
}

/// The manifests of a folder and the folders in it, sorted; a file is taken whatever its name. Hidden folders are left out.
fn below(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let name = path.display().to_string();
    let about = fs::metadata(path).map_err(|error| unreadable(&name, error))?;
    if !about.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let name = folder.display().to_string();
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&name, error))? {
            let entry = entry.map_err(|error| unreadable(&name, error))?;
            let kind = entry.file_type().map_err(|error| unreadable(&name, error))?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let path = entry.path();
            let manifest =
                path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
            // A link to a folder may lead back up.
            if kind.is_dir() && !hidden {
                folders.push(path);
            } else if manifest && !hidden && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
