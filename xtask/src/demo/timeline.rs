//! The acts of the demo as a table and on a line of time, as text and as one SVG that needs nothing else.

use std::fmt::Write as _;

use super::act::Act;

/// Columns of the textual line.
const COLUMNS: usize = 64;

pub(super) fn table(acts: &[Act], before: &str) -> String {
    let head = ["THE WAY BACK", "HOW IT ENDED", "BOOKS", "BOOKS AFTERWARDS", "OUTAGE", "TOOK"].map(str::to_owned);
    let mut rows = vec![head];
    let books = |found: &str| {
        let rows = found.split(", ").next().unwrap_or(found);
        if found == before { format!("{rows}, equal to before") } else { rows.to_owned() }
    };
    for act in acts {
        let outage = act.outage.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
        let took = format!("{:.1} s", act.took);
        rows.push([act.what.clone(), act.said.clone(), books(&act.lost), books(&act.found), outage, took]);
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(line, "{cell:<width$}  ", width = width(column).unwrap_or_default());
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("\nOUTAGE: from the last order that went through to the next one, as the writer's own log has it.");
    text
}

/// Two lines an act: what went on, and whether orders went through.
pub(super) fn text(acts: &[Act]) -> String {
    let mut text = String::new();
    for act in acts {
        let whole = (act.ended - act.began).max(1.0);
        let column = whole / f64::from(u32::try_from(COLUMNS).unwrap_or(u32::MAX));
        let mut phases = String::new();
        let mut orders = String::new();
        let stretches = stretches(act);
        for at in 0..COLUMNS {
            let from = act.began + column * f64::from(u32::try_from(at).unwrap_or(u32::MAX));
            let middle = from + column / 2.0;
            let span = act.spans.iter().find(|span| span.began <= middle && middle < span.ended);
            phases.push(span.map_or(' ', |span| letter(&span.name)));
            let good = stretches.iter().any(|(from, to, good)| *good && *from <= middle && middle < *to);
            orders.push(if good { '+' } else { '.' });
        }
        let _ = writeln!(text, "{}", act.what);
        let _ = writeln!(text, "  phases  {}", phases.trim_end());
        let _ = writeln!(text, "  orders  {orders}  {whole:.0} s");
        let names: Vec<String> = act.spans.iter().map(|span| format!("{} {}", letter(&span.name), span.name)).collect();
        let _ = writeln!(text, "          {}", names.join(", "));
    }
    text.push_str("+ orders went through, . none did");
    text
}

fn letter(name: &str) -> char {
    match name {
        "swap" => 'W',
        "scale to 1" => 'U',
        "scale to 0" => 'D',
        "velero restore" => 'V',
        "confirm" => '?',
        other => other.chars().next().map_or(' ', |first| first.to_ascii_uppercase()),
    }
}

fn colour(name: &str) -> &'static str {
    match name {
        "stage" | "velero restore" => "#4e79a7",
        "verify" => "#59a14f",
        "release" => "#b6992d",
        "protect" => "#499894",
        "quiesce" | "scale to 0" => "#e15759",
        "swap" => "#b07aa1",
        "back" | "scale to 1" => "#f28e2b",
        _ => "#9d9d9d",
    }
}

const LEFT: f64 = 250.0;
const WIDE: f64 = 900.0;
const ROW: f64 = 62.0;

/// One self-contained picture: all acts on one scale, so that what takes long looks long.
pub(super) fn svg(acts: &[Act], title: &str) -> String {
    let longest = acts.iter().map(|act| act.ended - act.began).fold(1.0, f64::max);
    let scale = WIDE / longest;
    let height = 70.0 + ROW * f64::from(u32::try_from(acts.len()).unwrap_or(u32::MAX)) + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<text x=\"16\" y=\"26\" font-size=\"16\">{}</text>\n\
         <text x=\"16\" y=\"46\" fill=\"#555555\">upper bar: what the command was at; lower bar: green where orders went \
         through, red from the last one to the next</text>\n",
        LEFT + WIDE + 70.0,
        escape(title)
    );
    let mut y = 70.0;
    for act in acts {
        let x = |at: f64| LEFT + (at - act.began).max(0.0) * scale;
        let _ = writeln!(svg, "<text x=\"16\" y=\"{}\">{}</text>", y + 14.0, escape(&act.what));
        let _ = writeln!(svg, "<text x=\"16\" y=\"{}\" fill=\"#555555\">{}</text>", y + 30.0, escape(&under(act)));
        for span in &act.spans {
            let wide = ((span.ended - span.began) * scale).max(1.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{y}\" width=\"{wide:.1}\" height=\"18\" fill=\"{}\"><title>{} {:.1} s</title></rect>",
                x(span.began),
                colour(&span.name),
                escape(&span.name),
                span.ended - span.began
            );
            if wide > 7.0 * f64::from(u32::try_from(span.name.len()).unwrap_or(u32::MAX)) {
                let _ = writeln!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{}\" fill=\"#ffffff\">{}</text>",
                    x(span.began) + 3.0,
                    y + 13.0,
                    escape(&span.name)
                );
            }
        }
        for (from, to, good) in stretches(act) {
            let _ = writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{}\" width=\"{:.1}\" height=\"10\" fill=\"{}\"><title>{:.1} s</title></rect>",
                x(from),
                y + 22.0,
                ((to - from) * scale).max(0.5),
                if good { "#8cd17d" } else { "#d62728" },
                to - from
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" fill=\"#555555\">{:.0} s</text>",
            x(act.ended) + 6.0,
            y + 14.0,
            act.ended - act.began
        );
        y += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

fn under(act: &Act) -> String {
    let outage = act.outage.map_or_else(String::new, |seconds| format!(", outage {seconds:.1} s"));
    format!("{}{outage}", act.said)
}

/// From the act's beginning to its end, the stretches in which orders went through and in which none did.
fn stretches(act: &Act) -> Vec<(f64, f64, bool)> {
    let mut times: Vec<f64> = act.attempts.iter().filter(|one| one.succeeded).map(|one| one.ended).collect();
    times.retain(|at| act.began <= *at && *at <= act.ended);
    let mut points = vec![act.began];
    points.extend(times);
    points.push(act.ended);
    let mut stretches: Vec<(f64, f64, bool)> = Vec::new();
    for (from, to) in points.iter().zip(points.iter().skip(1)) {
        // An order a second, and what psql takes to connect.
        let good = to - from < 2.5;
        match stretches.last_mut() {
            Some(last) if last.2 == good => last.1 = *to,
            _ => stretches.push((*from, *to, good)),
        }
    }
    stretches
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use dr_live::Attempt;

    use super::super::act::Span;
    use super::*;

    fn act() -> Act {
        let success = |at: f64| Attempt { succeeded: true, began: at - 0.1, ended: at };
        Act {
            what: "DROP TABLE <books>".to_owned(),
            lost: "no such table".to_owned(),
            found: "1000 rows, abc".to_owned(),
            said: "restored, exit 0".to_owned(),
            took: 64.0,
            outage: Some(20.0),
            began: 1000.0,
            ended: 1064.0,
            spans: vec![Span::new("stage", 1000.0, 1032.0), Span::new("swap", 1032.0, 1048.0)],
            attempts: (0..32).chain(52..64).map(|at| success(1000.0 + f64::from(at))).collect(),
        }
    }

    #[test]
    fn the_line_of_time_shows_phases_and_the_gap_in_the_orders() {
        let text = text(&[act()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], format!("  phases  {}{}", "S".repeat(32), "W".repeat(16)));
        assert_eq!(lines[2], format!("  orders  {}{}{}  64 s", "+".repeat(31), ".".repeat(21), "+".repeat(12)));
    }

    #[test]
    fn the_picture_is_red_exactly_where_no_order_went_through() {
        let red: Vec<(f64, f64)> =
            stretches(&act()).into_iter().filter(|one| !one.2).map(|(from, to, _)| (from, to)).collect();
        assert_eq!(red, [(1031.0, 1052.0)]);
        let svg = svg(&[act()], "a & b");
        assert!(svg.contains("DROP TABLE &lt;books&gt;") && svg.contains("a &amp; b") && !svg.contains("href"));
    }

    #[test]
    fn the_table_says_what_is_equal_to_before_and_what_is_not() {
        let mut other = act();
        other.found = "0 rows, no checksum".to_owned();
        let table = table(&[act(), other], "1000 rows, abc");
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].contains("1000 rows, equal to before"), "{table}");
        assert!(lines[2].contains("0 rows") && !lines[2].contains("equal"), "{table}");
    }
}
