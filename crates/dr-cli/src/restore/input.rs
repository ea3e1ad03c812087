//! A file that a command line names, or standard input.

use std::io::Read;
use std::path::Path;

use crate::exit::Exit;
use crate::report::Failure;

/// What errors call it, and its text. `-` is standard input.
pub(crate) fn read(what: &str, file: &Path) -> Result<(String, String), Failure> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::failed(format!("cannot read the {what} {name}"), error).with_exit(Exit::Usage))?;
    Ok((name, text))
}
