//! A hook that copies data has thirty seconds to do it.

use crate::finding::{Draft, on_key};
use crate::fix::{Change, Fix};
use crate::hooks::{hooks, program};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "hook-cut-off",
    family: Family::Hooks,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A hook that copies data has thirty seconds to do it.",
    costs: "The dump is cut off when it has grown: the hook counts as failed, and what was written of the file is what is backed up.",
    proven: "Velero 1.18.1 podexec: defaultTimeout is 30 s; on timeout the command goes on running and the hook has failed.",
    fix: Fixable::Unsafe,
    page: include_str!("../../../../docs/rules/hook-cut-off.md"),
    check,
};

/// Programs whose time grows with the data.
const COPIES: [&str; 12] = [
    "pg_dump",
    "pg_dumpall",
    "pg_basebackup",
    "mysqldump",
    "mariadb-dump",
    "mariabackup",
    "xtrabackup",
    "mongodump",
    "mydumper",
    "rsync",
    "tar",
    "rabbitmqadmin",
];

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for hook in hooks(spec) {
            if hook.exec.get("timeout").is_some_and(|timeout| !timeout.is_null()) {
                continue;
            }
            // A queue's messages are not moved by `rabbitmqadmin list`.
            let copies = |command: &&Vec<String>| {
                let name = program(command);
                COPIES.contains(&name) && (name != "rabbitmqadmin" || command.iter().any(|word| word == "export"))
            };
            let commands = hook.simple_commands();
            if let Some(program) = commands.iter().find(copies).and_then(|command| command.first()) {
                let message = format!("{program} is given 30s here, Velero's own timeout for hooks");
                let fix = Fix {
                    title: "give it 30m".into(),
                    safe: false,
                    change: Change::Insert { map: hook.path.clone(), key: "timeout".into(), value: "30m".into() },
                };
                out.push(on_key(spec.object, hook.path.clone(), message).fix(fix));
            }
        }
    }
}
