//! A plan as a person reads it before saying yes.

use std::fmt::Write as _;

use colored::Colorize;
use dr_run::action::{Phase, Undo};
use dr_run::plan::{DataPath, Plan, VolumePlan};
use jiff::Timestamp;

use crate::render::{bytes, columns, duration, seconds};

pub(crate) fn text(plan: &Plan, wide: bool) -> String {
    let mut text = String::new();
    let whole = if plan.namespace_gone { " (the namespace is gone and comes back whole)" } else { "" };
    let _ =
        writeln!(text, "Restore of {} from backup {}{whole}", plan.place.namespace.bold(), plan.source.backup.bold());
    text.push_str(&columns(
        &[
            format!("id\t{}", plan.id),
            format!("context\t{}", plan.place.context),
            format!("server\t{}", plan.place.server),
            format!("backup began\t{} ({} ago)", at(plan.source.started), age(plan, plan.source.started)),
            format!("chosen because\t{}", plan.source.because),
        ],
        "  ",
    ));
    list(&mut text, "Passed over:", plan.source.passed_over.iter().map(|o| format!("{}: {}", o.backup, o.because)));
    volumes(&mut text, plan);
    list(&mut text, "Left as they are:", plan.left_out.iter().map(|left| format!("{}: {}", left.claim, left.because)));
    let objects = if plan.objects_restored {
        "Missing in the cluster, come back:"
    } else {
        "Missing in the cluster, stay away (--objects missing brings them back):"
    };
    list(&mut text, objects, plan.objects_missing.iter().cloned());
    list(&mut text, &"Mind:".yellow().bold().to_string(), plan.warnings.iter().cloned());
    phases(&mut text, plan, wide);
    expectation(&mut text, plan);
    text
}

fn volumes(text: &mut String, plan: &Plan) {
    let mut lines = vec!["VOLUME\tBY\tDATA OF\tSIZE\tENGINE\tLIVE VOLUME".to_owned()];
    for volume in &plan.volumes {
        let VolumePlan { claim, path, taken, bytes: size, engine, old_volume, request, .. } = volume;
        let size = size.map_or_else(|| format!("{request} claimed"), bytes);
        let old = old_volume.as_deref().map_or("none".to_owned(), |name| format!("{name}, kept"));
        lines.push(format!("{claim}\t{}\t{}\t{size}\t{engine}\t{old}", path_name(*path), at(*taken)));
    }
    text.push('\n');
    text.push_str(&columns(&lines, "  "));
}

pub(crate) fn path_name(path: DataPath) -> &'static str {
    match path {
        DataPath::FileSystem => "file copy",
        DataPath::CsiSnapshot => "CSI snapshot",
    }
}

fn phases(text: &mut String, plan: &Plan, wide: bool) {
    text.push_str("\nWhat will happen:\n");
    let mut lines = Vec::new();
    for phase in plan.phases() {
        let steps: Vec<_> = plan.steps().filter(|step| step.phase == phase).collect();
        if wide {
            for step in steps {
                let undo = match &step.undo {
                    Undo::Move(_) => "can be taken back".to_owned(),
                    Undo::Nothing { because } => format!("nothing to take back: {because}"),
                    Undo::Impossible { because } => format!("CANNOT be taken back: {because}"),
                };
                lines.push(format!("{phase}\t{}\t{undo}", step.title));
            }
        } else {
            let count = steps.len();
            let plural = if count == 1 { "" } else { "s" };
            lines.push(format!("{phase}\t{count} step{plural}\t{}", what(phase)));
        }
    }
    text.push_str(&columns(&lines, "  "));
}

fn what(phase: Phase) -> &'static str {
    match phase {
        Phase::Stage => "the data comes into a namespace of its own; the application notices nothing",
        Phase::Verify => "the copy is opened and read through",
        Phase::Confirm => "you see what comes back and what is lost, and decide",
        Phase::Release => "the staged volumes are let go of",
        Phase::Protect => "the live volumes are kept whatever happens",
        Phase::Quiesce => "writers stop, then the database: the outage begins",
        Phase::Swap => "the claims are bound to the restored volumes",
        Phase::Back => "database first, then the writers: the outage ends",
        Phase::Keep => "tidying up; the former volumes stay until finalize",
    }
}

fn expectation(text: &mut String, plan: &Plan) {
    let expected = &plan.expectation;
    text.push('\n');
    let lines = [
        format!("Until the copy is staged\tabout {}", seconds(expected.stage_seconds)),
        format!("Outage\tabout {} ({})", seconds(expected.outage_seconds), expected.outage_because),
        format!("Data lost by going back\t{}", seconds(expected.data_loss_seconds)),
        format!("Take it back\tkubectl dr restore undo {}", plan.id),
    ];
    text.push_str(&columns(&lines, ""));
}

fn list(text: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        let _ = writeln!(text, "\n{title}");
        for item in items {
            let _ = writeln!(text, "  {}", item.replace('\n', "\n    "));
        }
    }
}

/// To the second, in UTC: what logs and backups' names say.
pub(crate) fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn age(plan: &Plan, time: Timestamp) -> String {
    duration(plan.made.duration_since(time))
}
