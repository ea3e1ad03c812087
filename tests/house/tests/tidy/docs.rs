//! Documents tell the truth: links lead somewhere, pages name what the code has, nothing names this or that machine.

use std::collections::BTreeSet;
use std::path::Path;

use dr_house::{File, checkout, files, read};

fn pages() -> Vec<File> {
    files(".").into_iter().filter(|file| file.ends_with(&[".md"])).collect()
}

/// `[text](target)` outside of code blocks.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.map(|(target, _)| target.to_owned()));
    }
    found
}

/// The anchors a page's headings have, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let root = checkout();
    let mut broken = Vec::new();
    for page in pages() {
        for link in links(&page.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
            let target = if path.is_empty() { root.join(&page.path) } else { root.join(folder).join(path) };
            if !target.exists() {
                broken.push(format!("{}: {link}", page.path));
                continue;
            }
            if let Some(anchor) = anchor {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                if !anchors(&text).contains(anchor) {
                    broken.push(format!("{}: {link}", page.path));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// `DR_WRITE=1` writes the files into the page.
#[test]
fn the_page_about_ci_shows_the_files_that_tests_run() {
    const PAGE: &str = "docs/ci.md";
    let text = read(PAGE);
    let mut shown = text.clone();
    let files = files("docs/ci");
    for File { path, text } in &files {
        let name = path.trim_start_matches("docs/");
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let parts = shown.split_once(&begin).and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
        let (head, tail) = parts.unwrap_or_else(|| panic!("{PAGE} has no {begin}"));
        shown = format!("{head}{begin}```yaml\n{text}```\n{end}{tail}");
    }
    assert_eq!(text.matches("<!-- /").count(), files.len(), "{PAGE} has a place for a file that is not there");
    if std::env::var_os("DR_WRITE").is_some() {
        std::fs::write(checkout().join(PAGE), shown).expect("the page is written");
        return;
    }
    assert!(text == shown, "DR_WRITE=1 cargo test -p dr-house --test tidy writes the files of docs/ci into {PAGE}");
}

/// Code and name of each exit, read from the one enum.
fn exits() -> Vec<(String, String)> {
    let source = read("crates/dr-cli/src/exit.rs");
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => "));
    let numbered = arms.filter_map(|(name, code)| {
        let code = code.trim_end_matches(',');
        code.parse::<u8>().ok().map(|_| (code.to_owned(), kebab(name)))
    });
    let found: Vec<_> = numbered.collect();
    assert_eq!(found.len(), 8, "exit.rs reads otherwise than this test expects: {found:?}");
    found
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}

#[test]
fn the_table_of_exit_codes_lists_every_exit() {
    for page in ["docs/exit-codes.md", "README.md"] {
        let text = read(page);
        for (code, name) in exits() {
            let row = format!("| {code} | {name} |");
            assert!(text.contains(&row), "{page} lacks a row that begins {row}");
        }
    }
}

#[test]
fn every_engine_profile_has_its_section() {
    let page = anchors(&read("docs/engines.md"));
    for file in files("crates/dr-core/src/engine") {
        let name = Path::new(&file.path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(page.contains(&name), "docs/engines.md has no section {name}");
    }
}

#[test]
fn every_phase_of_a_run_is_explained() {
    let source = read("crates/dr-run/src/action.rs");
    let phases = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => \""));
    let phases: Vec<String> = phases.filter_map(|(_, name)| Some(name.split_once('"')?.0.to_owned())).collect();
    assert!(phases.len() >= 9, "action.rs reads otherwise than this test expects: {phases:?}");
    let page = anchors(&read("docs/restore.md"));
    for phase in phases {
        assert!(page.contains(&phase), "docs/restore.md has no section {phase}");
    }
}

#[test]
fn documents_name_no_machine_they_were_written_on() {
    // Put together here, so that this file does not name them either.
    let folders = [["/ro", "ot"].concat(), ["/wo", "rk/"].concat(), ["/ho", "me/"].concat()];
    let mut wrong = Vec::new();
    for file in files(".") {
        let harness = file.path.starts_with("xtask/src/node/") || file.path.starts_with("tests/csi/");
        if harness || !file.ends_with(&[".md", ".rs", ".toml", ".yaml", ".in", ".json", "run"]) {
            continue;
        }
        for (at, line) in file.text.lines().enumerate() {
            let starts = |folder: &String| {
                line.match_indices(folder.as_str()).any(|(at, _)| {
                    let before = line.get(..at).and_then(|head| head.chars().next_back());
                    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '}' | '.' | '_' | '-' | '~'))
                })
            };
            if folders.iter().any(starts) {
                wrong.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_address_is_the_machines_own_or_public_documentation() {
    const KNOWN: &[&str] = &[
        "github.com",
        "raw.githubusercontent.com",
        "kubernetes.io",
        "velero.io",
        "krew.sigs.k8s.io",
        "json-schema.org",
        "docs.oasis-open.org",
        "www.apache.org",
        "www.w3.org",
        "www.postgresql.org",
        "go.dev",
        "docs.rs",
        "nexte.st",
        "keepachangelog.com",
        "semver.org",
        "127.0.0.1",
        "localhost",
        "s3.s3.svc",
        "world",
    ];
    let mut wrong = Vec::new();
    for file in files(".") {
        if file.path == "Cargo.lock" || file.path.ends_with("go.sum") {
            continue;
        }
        for scheme in ["http://", "https://"] {
            for (at, _) in file.text.match_indices(scheme) {
                let rest = file.text.get(at + scheme.len()..).unwrap_or_default();
                let end =
                    rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(rest.len());
                let host = rest.get(..end).unwrap_or_default().trim_end_matches('.');
                let reserved = [".invalid", ".test", ".example", "example.com", "example.org", ".svc", ".local"];
                let fine = host.is_empty()
                    || host.parse::<std::net::IpAddr>().is_ok()
                    || !host.contains('.')
                    || KNOWN.contains(&host)
                    || reserved.iter().any(|end| host.ends_with(end));
                if !fine {
                    wrong.push(format!("{}: {scheme}{host}", file.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
