//! What a backup will take, and what it took.

use std::fmt::Write as _;

use colored::Colorize;

use crate::backup::preflight::Volume;
use crate::backup::result::{BackupResult, Kept, VolumeResult};
use crate::render::{bytes, columns, duration};

/// Before: how each volume's data will be taken.
pub(crate) fn intended(
    backup: &str,
    namespace: &str,
    location: &str,
    volumes: &[Volume],
    warnings: &[String],
) -> String {
    let mut text = format!("Backup {} of {} to {location}\n", backup.bold(), namespace.bold());
    if volumes.is_empty() {
        text.push_str("  the namespace has no claims: objects only\n");
    }
    let mut lines = vec!["VOLUME\tBY\tENGINE\tREAD IN".to_owned()];
    for Volume { claim, method, driver: _, reader, engine: _, opted_in: _, objection } in volumes {
        let way = match objection {
            None => method.name().to_owned(),
            Some(because) => format!("not taken: {because}"),
        };
        let (engine, pod) = match reader {
            Some(reader) => (reader.found.profile, format!("pod {}", reader.pod.name())),
            None => ("-", "no running pod".to_owned()),
        };
        lines.push(format!("{claim}\t{way}\t{engine}\t{pod}"));
    }
    if !volumes.is_empty() {
        text.push_str(&columns(&lines, "  "));
    }
    mind(warnings, &mut text);
    text
}

fn mind(warnings: &[String], text: &mut String) {
    for warning in warnings {
        let _ = writeln!(text, "  {} {warning}", "mind:".yellow());
    }
}

/// After: what is in it, volume by volume.
pub(crate) fn result(result: &BackupResult) -> String {
    let BackupResult { backup, namespace, phase, took, volumes, warnings } = result;
    let mut text = format!("Backup {} of {}: {phase} in {}\n", backup.bold(), namespace.bold(), duration(*took));
    if !volumes.is_empty() {
        let mut lines = vec!["VOLUME\tBY\tIN THE BACKUP\tSIZE\tENGINE\tFINGERPRINT".to_owned()];
        for VolumeResult { claim, method, kept, engine, fingerprint } in volumes {
            let (is_in, size) = match kept {
                Kept::Yes { bytes: size, .. } => ("yes".green(), size.map_or_else(|| "-".to_owned(), bytes)),
                Kept::No { .. } => ("NO".red().bold(), "-".to_owned()),
            };
            let engine = engine.as_deref().unwrap_or("-");
            lines.push(format!("{claim}\t{}\t{is_in}\t{size}\t{engine}\t{}", method.name(), fingerprint.told()));
        }
        text.push_str(&columns(&lines, "  "));
    }
    for VolumeResult { claim, kept, .. } in volumes {
        if let Kept::No { because } = kept {
            let _ = writeln!(text, "  {claim}: {because}");
        }
    }
    mind(warnings, &mut text);
    let _ = writeln!(text, "\nkubectl dr restore --ns {namespace} --from {backup}  brings it back");
    text
}
