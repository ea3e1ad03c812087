//! Velero's own list of what it backed up (`BackupResourceList`), kept packed: what it names is
//! looked for among the hashes of what was seen.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufReader, Read};

use dr_core::verify::Missing;
use flate2::read::GzDecoder;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Unpacked: some four million items.
const LIMIT: u64 = 256 * 1024 * 1024;
/// So many missing items are named.
const NAMED: usize = 5;

/// `{"apps/v1/Deployment": ["shop/web"], …}`, packed; it was read through once.
#[derive(Debug, Clone)]
pub struct ItemList(Vec<u8>);

impl ItemList {
    /// Reads it through.
    pub(crate) fn new(packed: Vec<u8>) -> Result<Self, String> {
        each(&packed, &mut |_, _| {})?;
        Ok(Self(packed))
    }

    /// What it names and was not seen. `seen` are [`hash`]es, sorted.
    pub(crate) fn without(&self, seen: &[u64]) -> Result<Missing, String> {
        let mut missing = Missing::default();
        let lacks = |kind: Option<&str>, name: &str| seen.binary_search(&hash(kind, name)).is_err();
        each(&self.0, &mut |kind, name| {
            if lacks(Some(kind), name) && lacks(None, name) {
                missing.count += 1;
                if missing.named.len() < NAMED {
                    missing.named.push(format!("{kind} {name}"));
                }
            }
        })?;
        Ok(missing)
    }
}

/// Of an item of a kind such as `apps/v1/Deployment`, whose version a plugin may change; some are written without any
/// kind. Two of a million items meet in one of 37 million backups.
pub(super) fn hash(kind: Option<&str>, name: &str) -> u64 {
    let mut parts = kind.into_iter().flat_map(|kind| kind.rsplit('/'));
    let (kind, _version, group) = (parts.next(), parts.next(), parts.next());
    let mut hasher = DefaultHasher::new();
    (kind, group, name).hash(&mut hasher);
    hasher.finish()
}

fn each(packed: &[u8], then: &mut dyn FnMut(&str, &str)) -> Result<(), String> {
    let unpacked = BufReader::new(GzDecoder::new(packed).take(LIMIT));
    let mut json = serde_json::Deserializer::from_reader(unpacked);
    Kinds(then).deserialize(&mut json).and_then(|()| json.end()).map_err(|error| error.to_string())
}

struct Kinds<'a>(&'a mut dyn FnMut(&str, &str));

impl<'de> DeserializeSeed<'de> for Kinds<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Kinds<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items by kind")
    }

    /// Velero writes `null` for a backup without items.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(kind) = map.next_key::<String>()? {
            map.next_value_seed(Names { kind: &kind, then: &mut *self.0 })?;
        }
        Ok(())
    }
}

struct Names<'a> {
    kind: &'a str,
    then: &'a mut dyn FnMut(&str, &str),
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = names.next_element()? {
            (self.then)(self.kind, &name);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Name(String);
