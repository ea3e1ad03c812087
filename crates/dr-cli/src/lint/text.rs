//! For people: the place with its lines, the reason, the rule, the fix.

use std::io::IsTerminal as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use dr_lint::{File, Finding, Severity};
use dr_yaml::Span;

use super::{Report, summary};

pub(super) fn render(report: &Report<'_>) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for finding in &report.judgement.findings {
        text.push_str(&one(report, finding, &renderer));
        text.push_str("\n\n");
    }
    text.push_str(&summary::of(report));
    text
}

/// Whole lines around a span: a renderer that is handed a whole file reads it whole, for each finding.
struct Window<'f> {
    source: &'f str,
    first_line: usize,
    span: Span,
}

impl<'f> Window<'f> {
    fn of(file: &'f File, span: &Span) -> Self {
        let line = file.lines.index(span.start);
        let from = file.lines.span(line.saturating_sub(1)).start;
        let to = file.lines.span(line + 1).end;
        let source = file.text.get(from..to).unwrap_or("");
        let start = span.start.saturating_sub(from).min(source.len());
        // Carets that run over lines say less than those of the first one.
        let line_end = file.lines.span(line).end.saturating_sub(from);
        let end = span.end.saturating_sub(from).min(line_end).min(source.len()).max(start);
        let end = source.get(start..end).map_or(end, |part| start + part.trim_end().len());
        Self { source, first_line: file.lines.index(from) + 1, span: start..end }
    }

    fn snippet(
        &self,
        name: &'f str,
        kind: AnnotationKind,
        label: Option<&'f str>,
    ) -> Snippet<'f, annotate_snippets::Annotation<'f>> {
        let annotation = kind.span(self.span.clone()).label(label);
        Snippet::source(self.source).line_start(self.first_line).path(name).fold(false).annotation(annotation)
    }
}

fn one(report: &Report<'_>, finding: &Finding, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let file = report.file(finding);
    let window = Window::of(file, &finding.span);
    let title = level.primary_title(finding.message.as_str()).id(finding.rule);
    let mut group = title.element(window.snippet(&file.name, AnnotationKind::Primary, None));
    let related: Vec<_> = finding
        .related
        .iter()
        .filter_map(|related| Some((report.input.files.get(related.file)?, related)))
        .map(|(file, related)| (file, Window::of(file, &related.span), related.message.as_str()))
        .collect();
    for (file, window, message) in &related {
        group = group.element(window.snippet(&file.name, AnnotationKind::Context, Some(message)));
    }
    let object = finding.object.and_then(|id| report.input.objects.get(id));
    let about = object.map(|object| match &object.source {
        Some(source) => format!("{}, rendered from {source}", object.label()),
        None => object.label(),
    });
    if let Some(about) = &about {
        group = group.element(Level::NOTE.message(about.as_str()));
    }
    let help = finding.fix.as_ref().map(|fix| match dr_lint::fix::command(report.input, finding) {
        Some(command) => format!("{}: {command}", fix.title),
        None => format!("{} ({})", fix.title, if fix.safe { "--fix" } else { "--fix=unsafe" }),
    });
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let groups: [Group<'_>; 1] = [group];
    renderer.render(&groups)
}
