//! A hook takes a lock that its client gives back as it ends.

use crate::finding::{Draft, on};
use crate::hooks::{Hook, Phase, hooks, program};
use crate::judge::Context;
use crate::rule::{Appetite, Family, Fixable, Rule, Severity};

pub(super) const RULE: Rule = Rule {
    id: "lock-ends-with-its-client",
    family: Family::Hooks,
    severity: Severity::Warning,
    appetite: Appetite::Default,
    summary: "A hook takes a lock that its client gives back as it ends.",
    costs: "The database writes on while its files are copied, and the hook says it does not: what is restored may not open.",
    proven: "Velero 1.18.3 podexec/pod_command_executor.go:ExecutePodCommand: a hook is waited for to its end before anything is copied; a session that ends releases its locks (MySQL's manual, LOCK TABLES and FLUSH) and ends its backup (PostgreSQL's, pg_backup_start).",
    fix: Fixable::No,
    page: include_str!("../../../../docs/rules/lock-ends-with-its-client.md"),
    check,
};

fn check(context: &Context<'_>, out: &mut Vec<Draft>) {
    for spec in context.backups() {
        for hook in hooks(spec).iter().filter(|hook| hook.phase == Phase::Pre) {
            if let Some(lock) = lock(hook) {
                let message = format!("{lock} ends with this client, before anything is copied");
                out.push(on(spec.object, hook.path.clone().key("command"), message));
            }
        }
    }
}

/// The lock that is all that a hook is for: one that is held in the background, given back by the same command, or
/// used while it is there is something else.
fn lock(hook: &Hook<'_>) -> Option<&'static str> {
    const BESIDE: [&str; 7] = ["echo", "sleep", "sync", "set", "true", "export", "date"];
    const CLIENTS: [(&str, &[&str]); 3] = [
        ("mysql", &["flush tables with read lock", "lock instance for backup"]),
        ("mariadb", &["flush tables with read lock", "backup stage"]),
        ("psql", &["pg_backup_start("]),
    ];
    let commands = hook.simple_commands();
    let client = |command: &Vec<String>| CLIENTS.iter().find(|(client, _)| *client == program(command));
    if !commands.iter().all(|command| client(command).is_some() || BESIDE.contains(&program(command))) {
        return None;
    }
    let text = hook.text();
    let other = ["unlock", "backup stage end", "pg_backup_stop", "system ", "\\!", "nohup", "setsid", "coproc"];
    if text.replace("&&", "").contains('&') || other.iter().any(|word| text.contains(word)) {
        return None;
    }
    let locks = commands.iter().filter_map(client).flat_map(|(_, locks)| locks.iter());
    locks.copied().find(|lock| text.contains(lock)).map(|lock| lock.trim_end_matches('('))
}
