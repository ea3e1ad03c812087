//! `cargo xtask new rule ID`: the four places of a lint rule, ready to be filled in.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::cache;

pub(crate) fn rule(id: &str) -> Result<()> {
    let good = id.split('-').all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()));
    if !good {
        bail!("{id:?} is no id for a rule: words in lower case, with hyphens between them");
    }
    let root = cache::checkout()?;
    let module = id.replace('-', "_");
    let source = format!("crates/dr-lint/src/rules/{module}.rs");
    let page = format!("docs/rules/{id}.md");
    let cases = format!("crates/dr-lint/tests/cases/{id}");
    if root.join(&source).exists() || root.join(&page).exists() || root.join(&cases).exists() {
        bail!("there is something called {id} already");
    }
    let case = "apiVersion: velero.io/v1\nkind: Backup\nmetadata:\n  name: bookstore\n  namespace: velero\nspec: {}\n";
    write(&root, &source, &skeleton(id))?;
    write(&root, &page, &PAGE.replace("ID", id))?;
    write(&root, &format!("{cases}/fires.yaml"), case)?;
    write(&root, &format!("{cases}/near.yaml"), case)?;
    register(&root, &module)?;
    println!(
        "next: what it says, its check and its cases; then DR_WRITE=1 cargo test -p dr-lint --test cases, and\n      DR_WRITE=1 cargo test --test lint for the schema of dr-lint.yaml"
    );
    Ok(())
}

fn write(root: &Path, name: &str, text: &str) -> Result<()> {
    let path = root.join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(&path, text).with_context(|| format!("write {name}"))?;
    println!("{name}");
    Ok(())
}

/// Its module in order, its rule at the end.
fn register(root: &Path, module: &str) -> Result<()> {
    const FILE: &str = "crates/dr-lint/src/rules.rs";
    let text = fs::read_to_string(root.join(FILE)).with_context(|| format!("read {FILE}"))?;
    let (head, rest) = text.split_once("mod ").with_context(|| format!("{FILE} has no modules"))?;
    let (modules, table) = rest.split_once("\n\n").with_context(|| format!("{FILE} has no table"))?;
    let mut modules: Vec<String> = format!("mod {modules}").lines().map(str::to_owned).collect();
    modules.push(format!("mod {module};"));
    modules.sort();
    let table = table.strip_suffix("];\n").with_context(|| format!("{FILE} does not end with its table"))?;
    write(root, FILE, &format!("{head}{}\n\n{table}    &{module}::RULE,\n];\n", modules.join("\n")))
}

fn skeleton(id: &str) -> String {
    SKELETON.replace("ID", id)
}

const SKELETON: &str = r#"//! TODO.

use crate::finding::{Draft, on};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "ID",
    family: Family::Selection,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "TODO.",
    costs: "TODO.",
    proven: "TODO.",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/ID.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        out.push(on(spec.object, spec.path.clone(), "TODO"));
    }
}
"#;

const PAGE: &str = "# ID

TODO.

| family | severity | appetite | fix |
|---|---|---|---|
| selection | warning | default | none |

**What it costs.** TODO.

**How it is known.** TODO.

TODO: what to do about it.
";
