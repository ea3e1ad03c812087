//! `-o json`: an interface, described in `docs/schema/lint-report.json`.

use dr_lint::Finding;
use dr_lint::live::Cluster;
use serde::Serialize;

use super::Report;
use super::live::Told;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportV1<'r> {
    api_version: &'static str,
    kind: &'static str,
    findings: Vec<FindingV1<'r>>,
    silenced: Vec<SilencedV1<'r>>,
    /// Files that are templates and were left alone.
    templates: Vec<&'r str>,
    /// Files that hold no manifest, and no command.
    empty: Vec<&'r str>,
    judged: usize,
    seen: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<LiveV1<'r>>,
}

/// The cluster that was read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveV1<'r> {
    context: &'r str,
    server: &'r str,
    velero_namespace: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    velero_version: Option<String>,
    /// Whose workloads were read; none: those of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'r str>,
    /// Backups and Restores that were not judged.
    over: usize,
    /// Objects in whose place a file stands.
    replaced: Vec<&'r str>,
    not_read: Vec<NotReadV1<'r>>,
}

#[derive(Debug, Serialize)]
struct NotReadV1<'r> {
    resource: String,
    because: &'r str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SilencedV1<'r> {
    by: &'static str,
    /// Empty where none is given.
    reason: &'r str,
    #[serde(flatten)]
    finding: FindingV1<'r>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingV1<'r> {
    rule: &'static str,
    severity: &'static str,
    message: &'r str,
    place: PlaceV1<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
    related: Vec<RelatedV1<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<FixV1<'r>>,
}

/// Lines and columns from 1, columns in characters, the end exclusive.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceV1<'r> {
    file: &'r str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Debug, Serialize)]
struct RelatedV1<'r> {
    message: &'r str,
    place: PlaceV1<'r>,
}

#[derive(Debug, Serialize)]
struct FixV1<'r> {
    title: &'r str,
    safe: bool,
    /// Of an object of a cluster: what would make it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

fn place<'r>(file: &'r dr_lint::File, span: &dr_yaml::Span) -> PlaceV1<'r> {
    let (start, end) = (file.lines.place(&file.text, span.start), file.lines.place(&file.text, span.end));
    PlaceV1 { file: &file.name, line: start.line, column: start.column, end_line: end.line, end_column: end.column }
}

fn finding<'r>(report: &'r Report<'_>, finding: &'r Finding) -> FindingV1<'r> {
    let related = finding.related.iter().filter_map(|related| {
        let file = report.input.files.get(related.file)?;
        Some(RelatedV1 { message: &related.message, place: place(file, &related.span) })
    });
    FindingV1 {
        rule: finding.rule,
        severity: finding.severity.name(),
        message: &finding.message,
        place: place(report.file(finding), &finding.span),
        object: finding.object.and_then(|id| report.input.objects.get(id)).map(dr_lint::Object::label),
        path: finding.path.to_string(),
        related: related.collect(),
        fix: finding.fix.as_ref().map(|fix| FixV1 {
            title: &fix.title,
            safe: fix.safe,
            command: dr_lint::fix::command(report.input, finding),
        }),
    }
}

pub(super) fn of<'r>(report: &'r Report<'_>) -> ReportV1<'r> {
    let silenced = report.silenced.iter();
    let templates = report.judgement.templates.iter().filter_map(|at| report.input.files.get(*at));
    ReportV1 {
        api_version: "dr/v1",
        kind: "LintReport",
        findings: report.judgement.findings.iter().map(|found| finding(report, found)).collect(),
        silenced: silenced
            .map(|one| SilencedV1 { by: one.by.name(), reason: &one.reason, finding: finding(report, &one.finding) })
            .collect(),
        templates: templates.map(|file| file.name.as_str()).collect(),
        empty: report.passed_over.iter().map(|empty| empty.name.as_str()).collect(),
        judged: report.judgement.judged,
        seen: report.judgement.seen,
        live: report.live.zip(report.input.live.as_ref()).map(|(told, cluster)| live(told, cluster)),
    }
}

fn live<'r>(told: &'r Told, cluster: &'r Cluster) -> LiveV1<'r> {
    let not_read = cluster.unread.iter();
    LiveV1 {
        context: &told.context,
        server: &told.server,
        velero_namespace: &cluster.velero_namespace,
        velero_version: told.version(),
        namespace: cluster.namespace.as_deref(),
        over: cluster.over,
        replaced: cluster.replaced.iter().map(String::as_str).collect(),
        not_read: not_read.map(|(kind, because)| NotReadV1 { resource: kind.info().resource(), because }).collect(),
    }
}
