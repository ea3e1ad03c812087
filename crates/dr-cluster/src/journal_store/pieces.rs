//! The ConfigMaps that plan and journal are cut into, and the way back.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dr_core::object::Object;
use dr_run::journal::{self, Entry};
use dr_run::plan::{self, Plan};
use serde_json::{Value, json};

use super::{Position, Segment, StoreError, damaged};

pub(super) use dr_run::plan::PART;

pub(super) const ENTRIES: &str = "entries";
/// Set when the segment is sealed: the number of the one that follows.
pub(super) const NEXT: &str = "next";

/// A ConfigMap holds 1 MiB, base64 counts.
const PIECE: usize = 512 * 1024;
/// No plan is larger; a longer one is damaged on purpose.
const PLAN_LIMIT: u64 = 256 * 1024 * 1024;

pub(super) fn of_plan(plan: &Plan) -> Result<Vec<Value>, String> {
    let json = serde_json::to_vec(plan).map_err(|error| error.to_string())?;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&json).map_err(|error| error.to_string())?;
    let bytes = encoder.finish().map_err(|error| error.to_string())?;
    let chunks: Vec<&[u8]> = bytes.chunks(PIECE).collect();
    let of = chunks.len().to_string();
    let objects = chunks.into_iter().enumerate().map(|(number, chunk)| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": format!("dr-{}-plan-{number}", plan.id), "labels": { PART: "plan" } },
            "immutable": true,
            "data": { "format": plan::FORMAT.to_string(), "number": number.to_string(), "of": of },
            "binaryData": { "plan": STANDARD.encode(chunk) },
        })
    });
    Ok(objects.collect())
}

pub(super) fn segment(id: &str, number: usize, text: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": format!("dr-{id}-journal-{number}"),
            "labels": { PART: "journal", plan::OPERATION: id },
        },
        "data": { "format": journal::FORMAT.to_string(), "number": number.to_string(), ENTRIES: text },
    })
}

pub(super) fn same_content(found: &Value, wanted: &Value) -> bool {
    ["data", "binaryData"].iter().all(|field| found.get(field) == wanted.get(field))
}

pub(super) fn plan(id: &str, objects: &[Object]) -> Result<Plan, StoreError> {
    let mut numbered = of_part(id, objects, "plan", plan::FORMAT)?;
    numbered.sort_by_key(|(number, _)| *number);
    let wanted = numbered.first().and_then(|(_, object)| object.str_at("/data/of")?.parse::<usize>().ok());
    if wanted != Some(numbered.len()) || numbered.iter().enumerate().any(|(index, (number, _))| index != *number) {
        return Err(damaged(id, "a part of its plan is missing".to_owned()));
    }
    let mut bytes = Vec::new();
    for (_, object) in numbered {
        let text = object.str_at("/binaryData/plan").unwrap_or_default();
        bytes.extend(STANDARD.decode(text).map_err(|error| damaged(id, format!("its plan: {error}")))?);
    }
    let mut json = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes.as_slice()).take(PLAN_LIMIT);
    decoder.read_to_end(&mut json).map_err(|error| damaged(id, format!("its plan: {error}")))?;
    serde_json::from_slice(&json).map_err(|error| damaged(id, format!("its plan: {error}")))
}

pub(super) fn journal(id: &str, objects: &[Object]) -> Result<(Vec<Entry>, Position), StoreError> {
    let mut numbered = of_part(id, objects, "journal", journal::FORMAT)?;
    numbered.sort_by_key(|(number, _)| *number);
    let count = numbered.len();
    let mut entries = Vec::new();
    let mut end = None;
    for (index, (number, object)) in numbered.into_iter().enumerate() {
        let sealed = is_sealed(object);
        if index != number || (!sealed && index + 1 < count) {
            return Err(damaged(id, "a part of its journal is missing".to_owned()));
        }
        let text = text(object);
        entries.extend(self::entries(id, &text)?);
        end = Some(if sealed { (number + 1, Segment::Missing) } else { (number, open(object, text)) });
    }
    let (segment, state) = end.ok_or_else(|| damaged(id, "it has no journal".to_owned()))?;
    let epoch = entries.iter().map(|entry| entry.epoch).max().unwrap_or(0);
    Ok((entries, Position { id: id.to_owned(), epoch, segment, state }))
}

fn of_part<'a>(
    id: &str,
    objects: &'a [Object],
    part: &'static str,
    newest: u32,
) -> Result<Vec<(usize, &'a Object)>, StoreError> {
    let mut numbered = Vec::new();
    for object in objects.iter().filter(|object| object.label(PART) == Some(part)) {
        let number = |field: &str| object.str_at(field).and_then(|text| text.parse::<u64>().ok());
        let format = number("/data/format").ok_or_else(|| damaged(id, format!("its {part} names no format")))?;
        if format > u64::from(newest) {
            return Err(StoreError::NewerFormat { id: id.to_owned(), what: part, found: format });
        }
        let number = number("/data/number").and_then(|number| usize::try_from(number).ok());
        numbered.push((number.ok_or_else(|| damaged(id, format!("its {part} has no number")))?, object));
    }
    Ok(numbered)
}

pub(super) fn open(object: &Object, text: String) -> Segment {
    Segment::Open {
        uid: object.uid().unwrap_or_default().to_owned(),
        resource_version: object.resource_version().unwrap_or_default().to_owned(),
        text,
    }
}

pub(super) fn text(object: &Object) -> String {
    object.at("/data").and_then(|data| data.get(ENTRIES)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn is_sealed(object: &Object) -> bool {
    object.at("/data").is_some_and(|data| data.get(NEXT).is_some())
}

pub(super) fn lines(entries: &[Entry]) -> Result<String, String> {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&serde_json::to_string(entry).map_err(|error| error.to_string())?);
        text.push('\n');
    }
    Ok(text)
}

pub(super) fn entries(id: &str, text: &str) -> Result<Vec<Entry>, StoreError> {
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|error| damaged(id, format!("line {} of its journal: {error}", index + 1)))
        })
        .collect()
}
