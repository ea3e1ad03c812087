//! `--fix` and `--diff`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use dr_lint::{Finding, Input, Judgement};
use dr_yaml::Encoding;
use similar::TextDiff;

use super::Fixes;
use crate::exit::Exit;
use crate::out;
use crate::report::Failure;

/// The files that change, with their new text and how many fixes are in it.
fn mended(input: &Input, judgement: &Judgement, which: Fixes) -> Vec<(usize, String, usize)> {
    let mut findings: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
    for finding in judgement.findings.iter().filter(|finding| is_wanted(finding, which)) {
        findings.entry(finding.file).or_default().push(finding);
    }
    let files = findings.into_iter().filter_map(|(file, findings)| {
        let (text, count) = dr_lint::fix::apply(input, file, &findings)?;
        (count > 0).then_some((file, text, count))
    });
    files.collect()
}

fn is_wanted(finding: &Finding, which: Fixes) -> bool {
    finding.fix.as_ref().is_some_and(|fix| fix.safe || which == Fixes::Unsafe)
}

/// Shows what `--fix` would do, and of a cluster what could be done; 1 where it would do something.
pub(super) fn show(input: &Input, judgement: &Judgement, which: Fixes) -> Result<Exit, Failure> {
    let mended = mended(input, judgement, which);
    let mut text = String::new();
    for (file, new, _) in &mended {
        let Some(file) = input.files.get(*file) else { continue };
        let diff = TextDiff::from_lines(file.text.as_str(), new.as_str());
        let names = (format!("a/{}", file.name), format!("b/{}", file.name));
        text.push_str(&diff.unified_diff().context_radius(3).header(&names.0, &names.1).to_string());
    }
    if !text.is_empty() {
        out::result(&text)?;
    }
    let wanted = judgement.findings.iter().filter(|finding| is_wanted(finding, which));
    for command in wanted.filter_map(|finding| dr_lint::fix::command(input, finding)) {
        out::prose(&command);
    }
    Ok(if mended.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Writes the fixes; false where standard input was mended, whose text is then the result.
pub(super) fn make(input: &Input, judgement: &Judgement, which: Fixes) -> Result<bool, Failure> {
    if input.files.iter().any(|file| file.name == "-") {
        let hint = "--diff shows what it would do";
        return Err(Failure::usage("standard input cannot be fixed in place").hint(hint));
    }
    let mut count = 0;
    for (file, new, fixes) in mended(input, judgement, which) {
        // A cluster is never written to; the report says what would do it.
        let Some(file) = input.files.get(file).filter(|file| !file.live) else { continue };
        write(Path::new(&file.name), &new, file.encoding)
            .map_err(|error| Failure::failed(format!("cannot write {}", file.name), error))?;
        count += fixes;
    }
    let left = judgement.findings.iter().filter(|finding| is_wanted(finding, which));
    let left = left.filter(|finding| input.file_of(finding).live).count();
    let live = if left == 0 { String::new() } else { format!("; {left} in the cluster, where nothing is written") };
    out::prose(&format!("{count} fixed{live}"));
    Ok(count > 0)
}

fn write(path: &Path, text: &str, encoding: Encoding) -> std::io::Result<()> {
    let bytes = match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16Le => utf16(text, u16::to_le_bytes),
        Encoding::Utf16Be => utf16(text, u16::to_be_bytes),
    };
    put(path, &bytes)
}

/// Beside the file first, so that nobody ever sees half of one.
pub(super) fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // The file a link leads to, and not the link, is written.
    let path = match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => path.to_path_buf(),
        found => found?,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = path.with_file_name(format!(".{name}.dr-lint-{}", std::process::id()));
    let written = fs::File::create_new(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        if let Ok(before) = fs::metadata(&path) {
            file.set_permissions(before.permissions())?;
        }
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&beside, &path));
    if renamed.is_err() {
        // What could not be put in place is no use to anybody.
        drop(fs::remove_file(&beside));
    }
    renamed
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
}
