//! What the demo leaves on disk: the whole transcript, the picture, and a shortened transcript in README.md.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::dist;

const EVIDENCE: &str = "docs/evidence";
const README: &str = "README.md";
const OPENS: &str = "<!-- transcript -->";
const CLOSES: &str = "<!-- /transcript -->";
/// The command whose transcript README.md shows.
const SHOWN: &str = "$ kubectl dr restore --ns bookstore --yes";
const TABLE: &str = "=== What came of it";
/// Pages that show how one command was typed, the first time.
const PAGES: [(&str, &str); 4] = [
    ("docs/coverage.md", "$ kubectl dr backup coverage "),
    ("docs/schedule.md", "$ kubectl dr backup schedule create "),
    ("docs/verify.md", "$ kubectl dr backup verify "),
    ("docs/status.md", "$ kubectl dr backup status "),
];

pub(super) fn write(root: &Path, transcript: &[String], picture: &str, record: bool) -> Result<()> {
    let folder = if record { root.join(EVIDENCE) } else { dist::target(root)?.join("demo") };
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let text = format!("{}\n", transcript.join("\n").trim());
    if record {
        nothing_of_this_machine(root, &text)?;
    }
    for (name, contents) in [("demo.txt", text.as_str()), ("demo.svg", picture)] {
        let file = folder.join(name);
        fs::write(&file, contents).with_context(|| format!("write {}", file.display()))?;
        println!("written: {}", file.display());
    }
    if record {
        let file = root.join(README);
        let readme = fs::read_to_string(&file).with_context(|| format!("read {README}"))?;
        fs::write(&file, between_the_marks(&readme, &shortened(transcript)?)?)
            .with_context(|| format!("write {README}"))?;
        println!("written: {}", file.display());
        for (page, command) in PAGES {
            let file = root.join(page);
            let text = fs::read_to_string(&file).with_context(|| format!("read {page}"))?;
            let part = format!(
                "Typed by `cargo xtask demo --record` on a node; the whole is [evidence/demo.txt](evidence/demo.txt).\n\n\
                 ```text\n{}\n```",
                typed(transcript, command)?
            );
            let text = between_the_marks(&text, &part).with_context(|| format!("write into {page}"))?;
            fs::write(&file, text).with_context(|| format!("write {page}"))?;
            println!("written: {}", file.display());
        }
    }
    Ok(())
}

fn nothing_of_this_machine(root: &Path, text: &str) -> Result<()> {
    let home = std::env::var("HOME").unwrap_or_default();
    let known = [root.to_string_lossy().into_owned(), home];
    let bad = known.iter().filter(|path| path.len() > 1).find_map(|path| text.lines().find(|line| line.contains(path)));
    match bad {
        Some(line) => bail!("the transcript names a folder of this machine and is not recorded: {line}"),
        None => Ok(()),
    }
}

fn between_the_marks(readme: &str, part: &str) -> Result<String> {
    let (head, rest) = readme.split_once(OPENS).with_context(|| format!("there is no mark {OPENS}"))?;
    let (_, tail) = rest.split_once(CLOSES).with_context(|| format!("there is no mark {CLOSES}"))?;
    Ok(format!("{head}{OPENS}\n{part}\n{CLOSES}{tail}"))
}

/// The first command that begins like this, with all it said.
fn typed(transcript: &[String], command: &str) -> Result<String> {
    let from = transcript.iter().position(|line| line.starts_with(command));
    let from = from.with_context(|| format!("nobody typed {command:?}"))?;
    let rest = transcript.get(from + 1..).unwrap_or_default();
    let end =
        rest.iter().position(|line| line.starts_with("$ ") || line.starts_with("--- ") || line.starts_with("=== "));
    let lines = transcript.get(from..from + 1 + end.unwrap_or(rest.len())).unwrap_or_default();
    Ok(lines.join("\n").trim().to_owned())
}

/// One restore without the lines of its progress, and the table of the end. Nothing is rephrased.
fn shortened(transcript: &[String]) -> Result<String> {
    let at = |wanted: &str| transcript.iter().position(|line| line == wanted);
    let from = at(SHOWN).with_context(|| format!("the transcript has no {SHOWN:?}"))?;
    let table = at(TABLE).with_context(|| format!("the transcript has no {TABLE:?}"))?;
    let command = transcript.get(from..table).unwrap_or_default();
    let end = command.iter().skip(1).position(|line| line.starts_with("books now:") || line.starts_with("$ "));
    let command = command.get(..end.map_or(command.len(), |end| end + 2)).unwrap_or_default();
    let mut lines: Vec<&str> = Vec::new();
    let mut left_out = 0_usize;
    for line in command {
        if is_progress(line) {
            left_out += 1;
            continue;
        }
        if left_out > 0 {
            lines.push("  […]");
            left_out = 0;
        }
        if !(line.is_empty() && lines.last().is_some_and(|last| last.is_empty())) {
            lines.push(line);
        }
    }
    let table = transcript.get(table + 1..).unwrap_or_default();
    let table: Vec<&str> = table.iter().map(String::as_str).take_while(|line| !line.starts_with("OUTAGE:")).collect();
    Ok(format!(
        "Written by `cargo xtask demo --record`, shortened where it says […]; the whole is [docs/evidence/demo.txt](docs/evidence/demo.txt).\n\n\
         ```text\n{}\n```\n\nWith what the runbook's own commands did on the same node:\n\n```text\n{}\n```\n\n\
         ![Each way back on a line of time, with the orders that went through](docs/evidence/demo.svg)",
        lines.join("\n").trim(),
        table.join("\n").trim()
    ))
}

/// A line of progress begins with the time since the start: `  41.5 s   let Velero restore …`, `   1m 7s swap`.
fn is_progress(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    let number = |word: &str, unit: &str| word.strip_suffix(unit).is_some_and(|text| text.parse::<f64>().is_ok());
    line.starts_with(' ')
        && ((first.parse::<f64>().is_ok() && second == "s") || number(first, "m") || number(first, "h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_between_the_marks_is_exchanged_and_nothing_else() {
        let readme = "head\n<!-- transcript -->\nold\n<!-- /transcript -->\ntail\n";
        let new = between_the_marks(readme, "new").unwrap();
        assert_eq!(new, "head\n<!-- transcript -->\nnew\n<!-- /transcript -->\ntail\n");
        assert_eq!(between_the_marks(&new, "new").unwrap(), new);
        assert!(between_the_marks("no marks", "new").is_err());
    }

    #[test]
    fn a_page_shows_the_first_command_that_begins_like_this_and_all_it_said() {
        let transcript: Vec<String> =
            ["$ a b c", "one", "", "exit 1", "", "$ a b d", "two", "", "--- next"].map(str::to_owned).into();
        assert_eq!(typed(&transcript, "$ a b ").unwrap(), "$ a b c\none\n\nexit 1");
        assert_eq!(typed(&transcript, "$ a b d").unwrap(), "$ a b d\ntwo");
        assert!(typed(&transcript, "$ x").is_err());
    }

    #[test]
    fn progress_is_left_out_and_what_it_found_is_kept() {
        for line in
            ["   0.2 s stage", "  41.5 s   let Velero restore 1 volume (41.0 s)", "   1m 3s protect", "      1m back"]
        {
            assert!(is_progress(line), "{line}");
        }
        for line in [
            "  id               v5fb393d",
            "  2 of 3 equal to the fingerprint",
            "Outage 13.5 s, from",
            "",
            "  stage     7 steps",
        ] {
            assert!(!is_progress(line), "{line}");
        }
        let transcript: Vec<String> = [
            "$ kubectl dr restore --ns bookstore --yes",
            "Restore of bookstore",
            "   0.2 s stage",
            "   0.3 s   more",
            "Evidence",
            "",
            "books now: 1000 rows",
            "",
            "$ kubectl dr restore undo",
            "=== What came of it",
            "",
            "TABLE",
            "row",
            "",
            "OUTAGE: what it is",
            "timeline",
        ]
        .map(str::to_owned)
        .into();
        let part = shortened(&transcript).unwrap();
        assert!(part.contains("Restore of bookstore\n  […]\nEvidence\n\nbooks now: 1000 rows\n```"), "{part}");
        assert!(part.contains("```text\nTABLE\nrow\n```"), "{part}");
    }
}
