//! The shape of files.

use dr_house::{files, read};

/// Files are rooms, not drawers.
const MOST_LINES: usize = 600;

#[test]
fn no_file_written_by_hand_is_longer_than_a_person_reads() {
    let long: Vec<String> = files(".")
        .iter()
        .filter(|file| file.ends_with(&[".rs", ".sh", ".md"]))
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_module_says_what_it_owns() {
    let silent: Vec<String> = files("crates")
        .into_iter()
        .chain(files("xtask"))
        .chain(files("src"))
        .filter(|file| file.ends_with(&[".rs"]) && !file.ends_with(&["/tests.rs"]) && !file.text.starts_with("//!"))
        .map(|file| file.path)
        .collect();
    assert!(silent.is_empty(), "no module documentation: {}", silent.join(", "));
}

#[test]
fn an_exception_from_a_lint_is_argued() {
    let mut bare = Vec::new();
    for file in files("crates").into_iter().chain(files("xtask")).chain(files("src")).chain(files("tests")) {
        if !file.ends_with(&[".rs"]) {
            continue;
        }
        for kind in ["allow(", "expect("] {
            for opening in ["#[", "#!["] {
                let start = [opening, kind].concat();
                for (at, _) in file.text.match_indices(&start) {
                    let rest = file.text.get(at..).unwrap_or_default();
                    let attribute = rest.split_once(")]").map_or(rest, |(attribute, _)| attribute);
                    if !attribute.contains("reason") {
                        let line = file.text.get(..at).unwrap_or_default().lines().count() + 1;
                        bare.push(format!("{}:{line}", file.path));
                    }
                }
            }
        }
    }
    assert!(bare.is_empty(), "without a reason: {}", bare.join(", "));
}

#[test]
fn the_oldest_rust_is_the_same_everywhere() {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).expect("Cargo.toml");
    let stated = manifest["workspace"]["package"]["rust-version"].as_str().expect("rust-version");
    for page in ["README.md", "CONTRIBUTING.md"] {
        assert!(read(page).contains(&format!("Rust {stated}")), "{page} does not say Rust {stated}");
    }
    for file in files(".").iter().filter(|file| file.path.ends_with("Cargo.toml") && file.path != "Cargo.toml") {
        // A workspace of its own has nothing to take it from.
        let lines = ["rust-version.workspace = true".to_owned(), format!("rust-version = \"{stated}\"")];
        assert!(lines.iter().any(|line| file.text.contains(line)), "{} states none, or another", file.path);
    }
}
