//! Velero's backup hooks as rules ask for them.

use dr_yaml::Path;

use crate::json::Value;
use crate::velero::Spec;

/// Before or behind the backup of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Pre,
    Post,
}

/// One hook that executes.
pub(crate) struct Hook<'v> {
    /// Which of `spec.hooks.resources`.
    pub(crate) entry: usize,
    pub(crate) phase: Phase,
    /// Of `exec`.
    pub(crate) path: Path,
    pub(crate) exec: &'v Value,
}

impl Hook<'_> {
    fn command(&self) -> impl Iterator<Item = &str> {
        self.exec.get("command").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The simple commands that it runs, those of a script that a shell is given instead of the shell; each begins with
    /// its program, whatever runs that.
    pub(crate) fn simple_commands(&self) -> Vec<Vec<String>> {
        simple_commands(&self.words())
    }
}

/// What a hook stops, and another lets go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frozen {
    Filesystem,
    MongoDb,
}

impl Frozen {
    pub(crate) const ALL: [Self; 2] = [Self::Filesystem, Self::MongoDb];

    pub(crate) const fn thaw(self) -> &'static str {
        match self {
            Self::Filesystem => "fsfreeze --unfreeze",
            Self::MongoDb => "fsyncUnlock",
        }
    }
}

impl Hook<'_> {
    /// The command without what is written differently, in lower case.
    pub(crate) fn text(&self) -> String {
        let text = self.command().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        text.replace(['"', '\''], "")
    }

    /// `fsfreeze` or `xfs_freeze` with one of these flags.
    fn freezer(&self, flags: [&str; 2]) -> bool {
        let freezer = |command: &Vec<String>| {
            command.iter().any(|word| word.ends_with("fsfreeze") || word.ends_with("xfs_freeze"))
                && command.iter().any(|word| flags.contains(&word.as_str()))
        };
        self.simple_commands().iter().any(freezer)
    }

    /// What is frozen when it is done; not what the same command thaws.
    pub(crate) fn freezes(&self, what: Frozen) -> bool {
        let freezes = match what {
            Frozen::Filesystem => self.freezer(["--freeze", "-f"]),
            Frozen::MongoDb => {
                let text = self.text();
                // Without a lock only what is written is flushed.
                text.contains("fsynclock")
                    || (text.contains("fsync:") && (text.contains("lock: true") || text.contains("lock:true")))
            }
        };
        freezes && !self.thaws(what)
    }

    pub(crate) fn thaws(&self, what: Frozen) -> bool {
        match what {
            Frozen::Filesystem => self.freezer(["--unfreeze", "-u"]) || self.text().contains("unfreeze"),
            Frozen::MongoDb => self.text().contains("unlock"),
        }
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.command().map(str::to_owned).collect()
    }

    pub(crate) fn only_writes_out(&self) -> bool {
        only_writes_out(&self.words())
    }

    /// Whether it runs what cannot be read here, such as a script of the image.
    pub(crate) fn runs_a_script(&self) -> bool {
        const KNOWN: [&str; 24] = [
            "[",
            "cat",
            "cp",
            "date",
            "echo",
            "exit",
            "fsfreeze",
            "ls",
            "mkdir",
            "mongo",
            "mongodump",
            "mongosh",
            "mv",
            "mysql",
            "printf",
            "psql",
            "redis-cli",
            "rm",
            "set",
            "sleep",
            "sync",
            "test",
            "true",
            "xfs_freeze",
        ];
        self.simple_commands().iter().any(|command| {
            !KNOWN.contains(&program(command))
                || command.iter().any(|word| [".sh", ".js"].iter().any(|end| word.ends_with(end)))
        })
    }
}

fn simple_commands(words: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    unfold(words, 0, &mut found);
    found
}

/// Whether all a command does is to have what is in memory written: what is copied then is as good as without it.
pub(crate) fn only_writes_out(words: &[String]) -> bool {
    let mut commands = simple_commands(words);
    commands.retain(|command| !["set", "export", "echo", "sleep", "true", ":", "exit"].contains(&program(command)));
    !commands.is_empty() && commands.iter().all(|command| is_checkpoint(command) || is_sync(command))
}

fn is_sync(command: &[String]) -> bool {
    program(command) == "sync"
}

/// `psql` that is given one CHECKPOINT or more, and nothing else.
fn is_checkpoint(command: &[String]) -> bool {
    let mut given = Vec::new();
    for (at, word) in command.iter().enumerate() {
        match word.strip_prefix("--command=") {
            Some(sql) => given.push(sql),
            None if word == "--command"
                || (word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')) =>
            {
                given.extend(command.get(at + 1).map(String::as_str));
            }
            None if word.starts_with("-f") || word.starts_with("--file") => return false,
            None => {}
        }
    }
    let checkpoint = |sql: &&str| sql.trim().trim_end_matches(';').trim_end().eq_ignore_ascii_case("CHECKPOINT");
    program(command) == "psql" && !given.is_empty() && given.iter().all(checkpoint)
}

/// The name of a program without its folder.
pub(crate) fn program(command: &[String]) -> &str {
    command.first().map_or("", |first| first.rsplit('/').next().unwrap_or(first))
}

fn unfold(words: &[String], depth: usize, found: &mut Vec<Vec<String>>) {
    const BEFORE: [&str; 16] = [
        "exec", "nice", "ionice", "sudo", "env", "command", "time", "nohup", "if", "then", "else", "do", "while",
        "until", "!", "{",
    ];
    const SHELLS: [&str; 8] = ["sh", "bash", "ash", "dash", "ksh", "zsh", "su", "runuser"];
    let mut from = 0;
    while let Some(word) = words.get(from) {
        let name = word.rsplit('/').next().unwrap_or(word);
        let value =
            from > 0 && words.get(from - 1).is_some_and(|flag| matches!(flag.as_str(), "-u" | "-n" | "-g" | "-c"));
        let set = word
            .split_once('=')
            .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        if !(BEFORE.contains(&name) || set || from > 0 && (word.starts_with('-') || value)) {
            break;
        }
        from += 1;
    }
    let own = words.get(from..).unwrap_or_default();
    let script = own.iter().position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'));
    match script.and_then(|flag| own.get(flag + 1)) {
        // Deeper than anybody writes.
        Some(script) if SHELLS.contains(&program(own)) && depth < 4 => {
            for command in crate::shell::simple_commands(script) {
                unfold(&command, depth + 1, found);
            }
        }
        Some(_) | None if own.is_empty() => {}
        Some(_) | None => found.push(own.to_vec()),
    }
}

/// Every hook of a backup in its order.
pub(crate) fn hooks<'v>(spec: &Spec<'v>) -> Vec<Hook<'v>> {
    let mut found = Vec::new();
    let resources = spec.value.pointer("/hooks/resources").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (entry, resource) in resources {
        for (phase, name) in [(Phase::Pre, "pre"), (Phase::Post, "post")] {
            let list = resource.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
            found.extend(list.filter_map(|(at, hook)| {
                let path = spec.at("hooks").key("resources").index(entry).key(name).index(at).key("exec");
                Some(Hook { entry, phase, path, exec: hook.get("exec")? })
            }));
        }
    }
    found
}
