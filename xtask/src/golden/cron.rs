//! Generated cron expressions and durations, with what Go's `time` and the parser that Velero has make of them. All of
//! them are held against `dr_core`; a part is committed, so that every test run has it without Go.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use dr_core::cron::{self, Cron};
use dr_core::go_duration::GoDuration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{cache, cmd};

/// As Velero's go.mod has it, v1.15 to v1.18.
const ROBFIG: &str = "github.com/robfig/cron/v3 v3.0.1";
/// Clocks that are set by an hour and by half of one, at night and at midnight, to either side, and some never.
const ZONES: [&str; 14] = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tokyo",
];
/// As many as take a quarter of a minute.
pub(crate) const CASES: usize = 130_000;
/// Committed of all that are asked.
const KEPT: usize = 3_000;

#[derive(Debug, Serialize)]
struct Question {
    text: String,
    from: i64,
    nanos: i64,
    duration: bool,
}

/// What Go says; -1 is never.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    #[serde(default)]
    next: Vec<i64>,
    value: Option<i64>,
    #[serde(default)]
    error: bool,
}

/// Asks about so many and compares; `keep` writes the first of them down.
pub(crate) fn compare(cases: usize, seed: u64, keep: bool) -> Result<()> {
    let questions = questions(cases, seed);
    let answers = ask(&questions)?;
    let mut wrong = Vec::new();
    let (mut valid, mut by_zone, mut never, mut durations) = (0, 0, 0, 0);
    for (question, theirs) in questions.iter().zip(&answers) {
        let ours = ours(question);
        if ours != *theirs {
            wrong.push(format!("{question:?}: Go {theirs:?}, ours {ours:?}"));
        }
        valid += usize::from(!theirs.error && !question.duration);
        never += usize::from(theirs.next.contains(&-1));
        by_zone += usize::from(!theirs.error && ZONES.iter().any(|zone| question.text.contains(zone)));
        durations += usize::from(question.duration);
    }
    println!(
        "{} asked with seed {seed}: {} cron expressions ({valid} valid, {by_zone} of them in {} time zones, {never} that never \
         fire) and {durations} durations; {} answered otherwise",
        questions.len(),
        questions.len() - durations,
        ZONES.len(),
        wrong.len()
    );
    if !wrong.is_empty() {
        bail!("Go answers otherwise:\n{}", wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n"));
    }
    if keep {
        write(&questions, &answers)?;
    }
    Ok(())
}

fn write(questions: &[Question], answers: &[Answer]) -> Result<()> {
    let mut text = String::new();
    for (question, answer) in questions.iter().zip(answers).take(KEPT) {
        let line = serde_json::json!({
            "text": question.text, "from": question.from, "nanos": question.nanos, "duration": question.duration,
            "next": answer.next, "value": answer.value, "error": answer.error,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    let path = cache::checkout()?.join("crates/dr-core/tests/cron.jsonl");
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    println!("{} of them in {}", KEPT.min(questions.len()), path.display());
    Ok(())
}

fn ask(questions: &[Question]) -> Result<Vec<Answer>> {
    let folder = cache::Cache::open()?.root().join("golden-cron");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    write_if_other(&folder.join("go.mod"), &format!("module golden\n\ngo 1.22\n\nrequire {ROBFIG}\n"))?;
    write_if_other(&folder.join("main.go"), include_str!("cron.go"))?;
    let mut input = Vec::new();
    for question in questions {
        serde_json::to_writer(&mut input, question).context("write a question")?;
        input.push(b'\n');
    }
    let mut go = Command::new("go");
    go.args(["run", "-mod=mod", "."]).current_dir(&folder);
    let told = cmd::feed(&mut go, &input)?;
    let answers: Vec<Answer> =
        told.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("read an answer")?;
    if answers.len() != questions.len() {
        bail!("{} questions have {} answers", questions.len(), answers.len());
    }
    Ok(answers)
}

/// Go builds again what is newer.
fn write_if_other(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn ours(question: &Question) -> Answer {
    let error = Answer { error: true, ..Answer::default() };
    if question.duration {
        return GoDuration::parse(&question.text)
            .map_or(error, |duration| Answer { value: Some(duration.0), ..Answer::default() });
    }
    let Ok(cron) = Cron::parse(&question.text) else { return error };
    let zone =
        cron.zone.as_deref().map_or(Some(TimeZone::UTC), |name| cron::zone(name, &|name| TimeZone::get(name).ok()));
    let nanos = i32::try_from(question.nanos).unwrap_or(0);
    let (Some(zone), Ok(mut at)) = (zone, Timestamp::new(question.from, nanos)) else { return error };
    let mut next = Vec::new();
    for _ in 0..4 {
        let Some(found) = cron.next_in(at, &zone) else {
            next.push(-1);
            break;
        };
        next.push(found.as_second());
        at = found;
    }
    Answer { next, ..Answer::default() }
}

/// The same for the same seed, wherever it runs (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn seconds(&mut self, limit: u64) -> i64 {
        i64::try_from(self.below(limit)).unwrap_or(0)
    }

    fn of<T: Copy + Default>(&mut self, all: &[T]) -> T {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        all.get(at).copied().unwrap_or_default()
    }
}

fn questions(cases: usize, seed: u64) -> Vec<Question> {
    let mut dice = Dice(seed);
    (0..cases)
        .map(|_| {
            let duration = dice.one_in(8);
            let text = if duration { duration_text(&mut dice) } else { expression(&mut dice) };
            // 2015 to 2031; half of them within three days before a clock is set.
            let any = 1_420_070_400 + dice.seconds(16 * 365 * 86_400);
            let from = if dice.one_in(2) {
                any
            } else {
                clock_set(&text, any).map_or(any, |at| at - dice.seconds(3 * 86_400))
            };
            let nanos = if dice.one_in(4) { i64::try_from(dice.below(1_000_000_000)).unwrap_or(0) } else { 0 };
            Question { text, from, nanos, duration }
        })
        .collect()
}

/// When the clock of the expression's zone is set next.
fn clock_set(text: &str, after: i64) -> Option<i64> {
    let zone = TimeZone::get(ZONES.into_iter().find(|zone| text.contains(zone))?).ok()?;
    let next = zone.following(Timestamp::from_second(after).ok()?).next()?;
    Some(next.timestamp().as_second())
}

fn expression(dice: &mut Dice) -> String {
    let body = match dice.below(20) {
        0 => dice
            .of(&["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@Daily", "@never"])
            .to_owned(),
        1 | 2 => format!("@every {}", duration_text(dice)),
        _ => fields(dice),
    };
    let zoned = match dice.below(12) {
        0..6 => format!("CRON_TZ={} {body}", dice.of(&ZONES)),
        6..8 => format!("TZ={}  {body} ", dice.of(&ZONES)),
        8 => {
            let odd = ["UTC", "", "Local", "europe/berlin", "Mars/Olympus", "EST5EDT", "../UTC", "Europe", "Etc/GMT+5"];
            format!("{}={} {body}", dice.of(&["TZ", "CRON_TZ", "ZONE"]), dice.of(&odd))
        }
        _ => body,
    };
    if dice.one_in(12) { spoiled(dice, &zoned) } else { zoned }
}

fn fields(dice: &mut Dice) -> String {
    let months = ["jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "DEC"];
    let days = ["sun", "MON", "Tue", "wed", "thu", "fri", "SAT"];
    let mut all = vec![
        field(dice, 0, 59, &[]),
        // Hours in which clocks are set.
        if dice.one_in(3) { dice.below(4).to_string() } else { field(dice, 0, 23, &[]) },
        field(dice, 1, 31, &[]),
        field(dice, 1, 12, &months),
        field(dice, 0, 6, &days),
    ];
    match dice.below(40) {
        0 => {
            all.pop();
        }
        1 => all.push("*".to_owned()),
        _ => {}
    }
    all.join(if dice.one_in(10) { "  " } else { " " })
}

fn field(dice: &mut Dice, low: u64, high: u64, names: &[&str]) -> String {
    if dice.one_in(2) {
        return dice.of(&["*", "*", "*", "?"]).to_owned();
    }
    let count = dice.of(&[1, 1, 1, 2, 3]);
    let parts: Vec<String> = (0..count).map(|_| part(dice, low, high, names)).collect();
    parts.join(",")
}

fn part(dice: &mut Dice, low: u64, high: u64, names: &[&str]) -> String {
    let value = |dice: &mut Dice| {
        if !names.is_empty() && dice.one_in(3) {
            return dice.of(names).to_owned();
        }
        // Rarely one too many.
        let over = u64::from(dice.one_in(40));
        dice.between(low, high + over).to_string()
    };
    let step = |dice: &mut Dice| {
        let least = u64::from(!dice.one_in(30));
        dice.between(least, 20)
    };
    match dice.below(8) {
        0 => format!("*/{}", step(dice)),
        1 => format!("{}/{}", value(dice), step(dice)),
        2 | 3 => {
            let first = dice.between(low, high);
            format!("{first}-{}", dice.between(first, high))
        }
        4 => {
            let first = dice.between(low, high);
            format!("{first}-{}/{}", dice.between(first, high), step(dice))
        }
        5 => format!("{}-{}", value(dice), value(dice)),
        _ => value(dice),
    }
}

fn duration_text(dice: &mut Dice) -> String {
    let mut text = dice.of(&["", "", "", "", "-", "+"]).to_owned();
    for _ in 0..dice.of(&[1, 1, 2, 3]) {
        let unit = dice.of(&["h", "h", "m", "m", "s", "s", "ms", "us", "µs", "ns", "d", "w", ""]);
        let number = match dice.below(8) {
            0 => format!("{}.{}", dice.below(100), dice.below(1_000_000_000_000)),
            1 => format!(".{}", dice.below(1000)),
            2 => dice.roll().to_string(),
            3 => format!("{}.", dice.below(100)),
            _ => dice.below(5000).to_string(),
        };
        text.push_str(&number);
        text.push_str(unit);
    }
    if dice.one_in(12) { spoiled(dice, &text) } else { text }
}

/// One character more, less, or another.
fn spoiled(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let letter = dice.of(&['*', '/', '-', ',', '?', ' ', '0', '7', '9', 'a', '@', '=', '+', '.', '\t', 'L', '#', 'é']);
    let at = usize::try_from(dice.below(letters.len() as u64 + 1)).unwrap_or(0);
    match dice.below(3) {
        0 => letters.insert(at, letter),
        1 if at < letters.len() => {
            letters.remove(at);
        }
        _ => match letters.get_mut(at) {
            Some(there) => *there = letter,
            None => letters.push(letter),
        },
    }
    letters.into_iter().collect()
}
