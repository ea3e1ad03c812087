//! What a volume held at one time, small enough to keep: counts and digests, never content.
//!
//! `backup` takes one just before and one just after. What was equal in both must be equal in the restored volume;
//! what changed meanwhile must lie between.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The newest format written; older ones are read, newer ones refused.
pub const FORMAT: u32 = 1;

/// What an engine profile read from a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    pub format: u32,
    /// The profile's name: `postgres`, `generic`.
    pub engine: String,
    /// What tells two databases with the same tables apart, such as Postgres' system identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Tables (`database.schema.table`) or mounted trees.
    pub parts: BTreeMap<String, Part>,
    /// What else the reading checked; sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One table, or one tree of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Rows, or files.
    pub count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Absent above the size up to which digests are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Why an answer is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the answer ends in the middle: its last line is not `end`")]
    CutShort,
    #[error("line {line} of the answer is not understood: {text:?}")]
    Line { line: usize, text: String },
}

/// Reads what a profile's shell printed: `fingerprint FORMAT ENGINE`, then lines of tab-separated fields (`identity`,
/// `version`, `note`, `part COUNT BYTES DIGEST NAME` with `-` for what is not known), then `end`.
pub fn read(answer: &str) -> Result<Fingerprint, Unreadable> {
    let lines: Vec<&str> = answer.lines().filter(|line| !line.trim().is_empty()).collect();
    let bad = |line: usize, text: &str| Unreadable::Line { line, text: text.chars().take(120).collect() };
    let (Some(first), Some(&"end")) = (lines.first(), lines.last()) else { return Err(Unreadable::CutShort) };
    let head: Vec<&str> = first.split(' ').collect();
    let ["fingerprint", format, engine] = head.as_slice() else { return Err(bad(1, first)) };
    let format = format.parse().map_err(|_| bad(1, first))?;
    let mut found = Fingerprint {
        format,
        engine: (*engine).to_owned(),
        identity: None,
        version: None,
        parts: BTreeMap::new(),
        notes: Vec::new(),
    };
    let body = lines.get(1..lines.len() - 1).unwrap_or(&[]);
    for (index, text) in body.iter().enumerate() {
        let fields: Vec<&str> = text.splitn(5, '\t').collect();
        match fields.as_slice() {
            ["identity" | "version", ""] => return Err(bad(index + 2, text)),
            ["identity", identity] => found.identity = Some((*identity).to_owned()),
            ["version", version] => found.version = Some((*version).to_owned()),
            ["note", note] => found.notes.push((*note).to_owned()),
            ["part", count, bytes, digest, name] => {
                let number = |text: &str| text.parse::<u64>().map_err(|_| bad(index + 2, text));
                let part = Part {
                    count: number(count)?,
                    bytes: if *bytes == "-" { None } else { Some(number(bytes)?) },
                    digest: (*digest != "-").then(|| (*digest).to_owned()),
                };
                found.parts.insert((*name).to_owned(), part);
            }
            _ => return Err(bad(index + 2, text)),
        }
    }
    Ok(found)
}

/// How the bytes were taken from the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// At one instant: what opens is what was there.
    Snapshot,
    /// File by file under a running engine: it may open with rows missing.
    FileCopy,
}

/// What a staged volume is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub engine: String,
    pub taken: Taken,
    /// Recorded just before the backup.
    pub before: Option<Fingerprint>,
    /// Recorded just after it.
    pub after: Option<Fingerprint>,
    /// Go on although nothing proves the content (`--accept-unproven`).
    pub accept_unproven: bool,
}

/// How much is known of a staged volume, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Degree {
    /// The bytes arrived.
    Moved,
    /// The engine opened its own data and every part was read through.
    Opens,
    /// Equal to what was recorded when the backup was made.
    Proven,
}

/// What a reading showed, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub degree: Degree,
    pub found: Fingerprint,
    /// What the degree rests on, or falls short of; sentences.
    pub notes: Vec<String>,
}

/// Why a staged volume may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("{part}: the backup recorded {wanted}, the staged volume holds {found}")]
    Differs { part: String, wanted: String, found: String },
    #[error("{part} was in the database when it was backed up and is not in the staged volume")]
    Missing { part: String },
    #[error("the staged volume's identity is {found}, the backup recorded {wanted}: it is another database")]
    OtherIdentity { wanted: String, found: String },
    #[error(
        "the copy opens, but nothing proves that it is whole: it was taken file by file under a running engine and the \
         backup recorded no fingerprint (--accept-unproven goes on all the same)"
    )]
    Unproven,
    #[error("the answer has format {0}, this version reads up to {FORMAT}")]
    NewerFormat(u32),
}

/// Holds what a staged volume holds against what the backup recorded.
pub fn judge(expected: &Expected, found: &Fingerprint) -> Result<Evidence, Rejected> {
    if found.format > FORMAT {
        return Err(Rejected::NewerFormat(found.format));
    }
    let recorded = expected.before.as_ref().or(expected.after.as_ref());
    let Some(recorded) = recorded else { return without_record(expected, found) };
    if let (Some(wanted), Some(identity)) = (&recorded.identity, &found.identity)
        && wanted != identity
    {
        return Err(Rejected::OtherIdentity { wanted: wanted.clone(), found: identity.clone() });
    }
    match (&expected.before, &expected.after) {
        (Some(before), Some(after)) => between(before, after, found),
        (Some(only), None) | (None, Some(only)) => against_one(expected, only, found),
        (None, None) => without_record(expected, found),
    }
}

fn without_record(expected: &Expected, found: &Fingerprint) -> Result<Evidence, Rejected> {
    let note = match expected.taken {
        Taken::Snapshot => "taken at one instant; the backup recorded no fingerprint to compare with",
        Taken::FileCopy if expected.accept_unproven => "accepted unproven: a file copy without fingerprint",
        Taken::FileCopy => return Err(Rejected::Unproven),
    };
    Ok(Evidence { degree: Degree::Opens, found: found.clone(), notes: vec![note.to_owned()] })
}

fn between(before: &Fingerprint, after: &Fingerprint, found: &Fingerprint) -> Result<Evidence, Rejected> {
    let mut equal = 0_usize;
    let mut notes = Vec::new();
    for (name, first) in &before.parts {
        let Some(second) = after.parts.get(name) else {
            notes.push(format!("{name} was dropped while the backup ran"));
            continue;
        };
        let Some(part) = found.parts.get(name) else { return Err(Rejected::Missing { part: name.clone() }) };
        if same(name, first, second).is_ok() {
            same(name, first, part)?;
            equal += 1;
        } else {
            let (low, high) = (first.count.min(second.count), first.count.max(second.count));
            if !(low..=high).contains(&part.count) {
                return Err(Rejected::Differs {
                    part: name.clone(),
                    wanted: format!("between {low} and {high}"),
                    found: part.count.to_string(),
                });
            }
            notes.push(format!("{name} was being written: {} lies between {low} and {high}", part.count));
        }
    }
    notes.insert(0, format!("{equal} of {} equal to the fingerprint", before.parts.len()));
    // Of files that were being written only the count was held against anything, and an empty record holds nothing.
    if before.parts.is_empty() || (found.engine == "generic" && equal < before.parts.len()) {
        return Ok(Evidence { degree: Degree::Opens, found: found.clone(), notes });
    }
    Ok(Evidence { degree: Degree::Proven, found: found.clone(), notes })
}

fn against_one(expected: &Expected, only: &Fingerprint, found: &Fingerprint) -> Result<Evidence, Rejected> {
    let differs = only.parts.iter().find_map(|(name, part)| match found.parts.get(name) {
        None => Some(Rejected::Missing { part: name.clone() }),
        Some(found) => same(name, part, found).err(),
    });
    match differs {
        None => {
            let notes = vec![format!("all {} equal to the one fingerprint there is", only.parts.len())];
            Ok(Evidence { degree: Degree::Proven, found: found.clone(), notes })
        }
        Some(why) => {
            let mut evidence = without_record(expected, found)?;
            evidence.notes.push(format!("not equal to the one fingerprint there is: {why}"));
            Ok(evidence)
        }
    }
}

fn same(name: &str, wanted: &Part, found: &Part) -> Result<(), Rejected> {
    let digests_differ = matches!((&wanted.digest, &found.digest), (Some(wanted), Some(found)) if wanted != found);
    let digest_lost = wanted.digest.is_some() && found.digest.is_none();
    if wanted.count == found.count && !digests_differ && !digest_lost {
        return Ok(());
    }
    let tell = |part: &Part| match &part.digest {
        Some(digest) => format!("{} with digest {digest}", part.count),
        None => part.count.to_string(),
    };
    Err(Rejected::Differs { part: name.to_owned(), wanted: tell(wanted), found: tell(found) })
}

/// What going back to the staged volume brings and costs, part by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub part: String,
    /// None: the part does not exist there.
    pub live: Option<u64>,
    pub staged: Option<u64>,
    /// Same count, other content.
    pub changed: bool,
}

impl Difference {
    /// The staged volume has something here that the live one lacks.
    pub fn brings_back(&self) -> bool {
        self.staged.unwrap_or(0) > self.live.unwrap_or(0)
            || (self.live.is_none() && self.staged.is_some())
            || self.changed
    }

    /// The live volume has something here that would be lost.
    pub fn loses(&self) -> bool {
        self.live.unwrap_or(0) > self.staged.unwrap_or(0)
            || (self.staged.is_none() && self.live.is_some())
            || self.changed
    }
}

/// Part by part, what differs between the live and the staged volume.
pub fn differences(live: &Fingerprint, staged: &Fingerprint) -> Vec<Difference> {
    let names: std::collections::BTreeSet<&String> = live.parts.keys().chain(staged.parts.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (live, staged) = (live.parts.get(name), staged.parts.get(name));
            let changed = matches!((live, staged), (Some(a), Some(b)) if a.count == b.count && a.digest != b.digest);
            let counts = (live.map(|part| part.count), staged.map(|part| part.count));
            (counts.0 != counts.1 || changed).then(|| Difference {
                part: name.clone(),
                live: counts.0,
                staged: counts.1,
                changed,
            })
        })
        .collect()
}
