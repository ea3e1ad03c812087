//! Conditions as values: what a step expects before it acts, and what it waits for afterwards.
//!
//! A condition names what must be read ([`Query`]); whether it holds is decided on what was read ([`Observation`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dr_core::kind::Kind;
use dr_core::object::{Key, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::slot::{Bindings, Slot, Spot, Template, Text, Unbound};

/// One read: an object, or a list narrowed by labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Query {
    Get(Key),
    List(Listing),
}

/// Objects of a kind in a namespace (or of the whole cluster) whose labels equal these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listing {
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.info().plural)?;
        if let Some(namespace) = &self.namespace {
            write!(f, " of {namespace}")?;
        }
        for (index, (key, value)) in self.labels.iter().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { " with " } else { "," })?;
        }
        Ok(())
    }
}

/// What was read, by the query that asked for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation(pub BTreeMap<Query, Vec<Object>>);

impl Observation {
    /// The object, none when it does not exist; an error when nobody read it.
    pub fn get(&self, key: &Key) -> Result<Option<&Object>, NotRead> {
        let query = Query::Get(key.clone());
        self.0.get(&query).map(|found| found.first()).ok_or(NotRead(query))
    }

    pub fn list(&self, listing: &Listing) -> Result<&[Object], NotRead> {
        let query = Query::List(listing.clone());
        self.0.get(&query).map(Vec::as_slice).ok_or(NotRead(query))
    }
}

/// A question that the observation does not answer; a mistake of the caller, never of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} was not read")]
pub struct NotRead(pub Query);

/// Why a condition cannot be judged at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    #[error(transparent)]
    Unbound(#[from] Unbound),
    #[error(transparent)]
    NotRead(#[from] NotRead),
}

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Test {
    Equals(Template),
    OneOf(Vec<Value>),
    /// Anything else, nothing included.
    Differs(Value),
    /// Absent or null.
    Missing,
    Present,
    AtLeast(i64),
    AtMost(i64),
    /// At least what another field of the same object holds.
    AtLeastThat(String),
}

/// A field by its JSON pointer, and what it must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    pub pointer: String,
    pub test: Test,
}

impl Field {
    pub fn equals(pointer: &str, value: impl Into<Value>) -> Self {
        Self { pointer: pointer.to_owned(), test: Test::Equals(Template(value.into())) }
    }

    pub fn one_of<const N: usize>(pointer: &str, values: [&str; N]) -> Self {
        let values = values.into_iter().map(Value::from).collect();
        Self { pointer: pointer.to_owned(), test: Test::OneOf(values) }
    }

    pub fn differs(pointer: &str, value: impl Into<Value>) -> Self {
        Self { pointer: pointer.to_owned(), test: Test::Differs(value.into()) }
    }

    pub fn missing(pointer: &str) -> Self {
        Self { pointer: pointer.to_owned(), test: Test::Missing }
    }

    pub fn present(pointer: &str) -> Self {
        Self { pointer: pointer.to_owned(), test: Test::Present }
    }

    pub fn at_least(pointer: &str, value: i64) -> Self {
        Self { pointer: pointer.to_owned(), test: Test::AtLeast(value) }
    }

    pub fn at_least_that(pointer: &str, other: &str) -> Self {
        Self { pointer: pointer.to_owned(), test: Test::AtLeastThat(other.to_owned()) }
    }

    pub fn at_most(pointer: &str, value: i64) -> Self {
        Self { pointer: pointer.to_owned(), test: Test::AtMost(value) }
    }

    fn holds(&self, object: &Object, bindings: &Bindings) -> Result<bool, Unbound> {
        let found = object.at(&self.pointer).filter(|value| !value.is_null());
        Ok(match &self.test {
            Test::Equals(template) => {
                let wanted = template.resolve(bindings)?;
                found == Some(&wanted) || (found.is_none() && wanted.is_null())
            }
            Test::OneOf(values) => found.is_some_and(|value| values.contains(value)),
            Test::Differs(value) => found != Some(value),
            Test::Missing => found.is_none(),
            Test::Present => found.is_some(),
            Test::AtLeast(least) => found.and_then(Value::as_i64).is_some_and(|value| value >= *least),
            Test::AtMost(most) => found.and_then(Value::as_i64).is_some_and(|value| value <= *most),
            Test::AtLeastThat(other) => match (found.and_then(Value::as_i64), object.i64_at(other)) {
                (Some(value), Some(least)) => value >= least,
                (None, _) | (_, None) => false,
            },
        })
    }

    pub(crate) fn reads(&self) -> Vec<Slot> {
        match &self.test {
            Test::Equals(template) => template.reads(),
            Test::OneOf(_)
            | Test::Differs(_)
            | Test::Missing
            | Test::Present
            | Test::AtLeast(_)
            | Test::AtMost(_)
            | Test::AtLeastThat(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.pointer.trim_start_matches('/').replace('/', ".");
        match &self.test {
            Test::Equals(template) => write!(f, "{path} = {}", template.0),
            Test::OneOf(values) => {
                write!(f, "{path} is one of ")?;
                values.iter().enumerate().try_for_each(|(index, value)| {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")
                })
            }
            Test::Differs(value) => write!(f, "{path} is not {value}"),
            Test::Missing => write!(f, "{path} is not set"),
            Test::Present => write!(f, "{path} is set"),
            Test::AtLeast(least) => write!(f, "{path} is at least {least}"),
            Test::AtMost(most) => write!(f, "{path} is at most {most}"),
            Test::AtLeastThat(other) => {
                write!(f, "{path} is at least {}", other.trim_start_matches('/').replace('/', "."))
            }
        }
    }
}

/// Something that is true of the cluster, or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Condition {
    Absent {
        object: Spot,
    },
    /// The object with this uid is gone; another of the same name may be there.
    Gone {
        object: Spot,
        uid: Text,
    },
    /// The object exists, has this uid (when one is named), is not being deleted, and every field fits.
    Is {
        object: Spot,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<Text>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Field>,
    },
    /// Every listed object fits, and there are at least so many.
    Each {
        of: Listing,
        at_least: usize,
        fields: Vec<Field>,
    },
    /// Some listed object fits.
    Any {
        of: Listing,
        fields: Vec<Field>,
    },
    /// Nothing listed fits.
    NotAny {
        of: Listing,
        fields: Vec<Field>,
    },
    /// No pod of the namespace mounts the claim, finished pods included: they hold `pvc-protection` too.
    Unused {
        namespace: String,
        claim: String,
    },
    /// Every listed object that fits has one of these names.
    Only {
        of: Listing,
        names: BTreeSet<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Field>,
    },
    All {
        of: Vec<Condition>,
    },
    OneOf {
        of: Vec<Condition>,
    },
}

/// Whether a condition holds; if not, what stands in its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Not { because: String },
}

impl Condition {
    pub fn is(object: impl Into<Spot>, uid: impl Into<Text>, fields: Vec<Field>) -> Self {
        Self::Is { object: object.into(), uid: Some(uid.into()), fields }
    }

    /// What must be read before [`Condition::judge`] can answer.
    pub fn queries(&self, bindings: &Bindings) -> Result<BTreeSet<Query>, Unbound> {
        let query = match self {
            Self::Absent { object } | Self::Gone { object, .. } | Self::Is { object, .. } => {
                Query::Get(object.resolve(bindings)?)
            }
            Self::Each { of, .. } | Self::Any { of, .. } | Self::NotAny { of, .. } | Self::Only { of, .. } => {
                Query::List(of.clone())
            }
            Self::Unused { namespace, .. } => Query::List(pods_of(namespace)),
            Self::All { of } | Self::OneOf { of } => {
                let each = of.iter().map(|condition| condition.queries(bindings));
                return Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect());
            }
        };
        Ok(BTreeSet::from([query]))
    }

    pub fn reads(&self) -> Vec<Slot> {
        match self {
            Self::Absent { object } => object.name.reads().into_iter().cloned().collect(),
            Self::Gone { object, uid } => object.name.reads().into_iter().chain(uid.reads()).cloned().collect(),
            Self::Is { object, uid, fields } => {
                let texts = object.name.reads().into_iter().chain(uid.as_ref().and_then(Text::reads)).cloned();
                texts.chain(fields.iter().flat_map(Field::reads)).collect()
            }
            Self::Each { fields, .. }
            | Self::Any { fields, .. }
            | Self::NotAny { fields, .. }
            | Self::Only { fields, .. } => fields.iter().flat_map(Field::reads).collect(),
            Self::Unused { .. } => Vec::new(),
            Self::All { of } | Self::OneOf { of } => of.iter().flat_map(Self::reads).collect(),
        }
    }

    pub fn judge(&self, seen: &Observation, bindings: &Bindings) -> Result<Verdict, Unjudged> {
        let not = |because: String| Ok(Verdict::Not { because });
        match self {
            Self::Absent { object } => match seen.get(&object.resolve(bindings)?)? {
                None => Ok(Verdict::Holds),
                Some(_) => not(format!("{object} exists")),
            },
            Self::Gone { object, uid } => {
                let wanted = uid.resolve(bindings)?;
                match seen.get(&object.resolve(bindings)?)? {
                    Some(found) if found.uid() == Some(wanted) => {
                        let held = found.list_at("/metadata/finalizers");
                        if found.is_terminating() && !held.is_empty() {
                            let held: Vec<_> = held.iter().filter_map(Value::as_str).collect();
                            not(format!("{object} is being deleted, held by {}", held.join(", ")))
                        } else {
                            not(format!("{object} is still there"))
                        }
                    }
                    Some(_) | None => Ok(Verdict::Holds),
                }
            }
            Self::Is { object, uid, fields } => {
                let Some(found) = seen.get(&object.resolve(bindings)?)? else {
                    return not(format!("{object} does not exist"));
                };
                if let Some(uid) = uid
                    && found.uid() != Some(uid.resolve(bindings)?)
                {
                    return not(format!("{object} is another object than the one the plan was made for"));
                }
                if found.is_terminating() {
                    return not(format!("{object} is being deleted"));
                }
                match misfit(found, fields, bindings)? {
                    None => Ok(Verdict::Holds),
                    Some(field) => not(format!("{object}: {}", found_instead(found, field))),
                }
            }
            Self::Each { of, at_least, fields } => {
                let found = seen.list(of)?;
                for object in found {
                    if let Some(field) = misfit(object, fields, bindings)? {
                        return not(format!(
                            "{} {}: {}",
                            of.kind.info().plural,
                            object.name(),
                            found_instead(object, field)
                        ));
                    }
                }
                if found.len() < *at_least {
                    return not(format!("{} of {at_least} {of}", found.len()));
                }
                Ok(Verdict::Holds)
            }
            Self::Any { of, fields } => {
                for object in seen.list(of)? {
                    if misfit(object, fields, bindings)?.is_none() {
                        return Ok(Verdict::Holds);
                    }
                }
                not(format!("none of the {of} fits {}", Fields(fields)))
            }
            Self::NotAny { of, fields } => {
                for object in seen.list(of)? {
                    if misfit(object, fields, bindings)?.is_none() {
                        return not(format!("{} {}: {}", of.kind.info().plural, object.name(), Fields(fields)));
                    }
                }
                Ok(Verdict::Holds)
            }
            Self::Unused { namespace, claim } => {
                let users = seen.list(&pods_of(namespace))?.iter().filter(|pod| mounts(pod, claim));
                match users.map(Object::name).collect::<Vec<_>>() {
                    names if names.is_empty() => Ok(Verdict::Holds),
                    names => not(format!("claim {claim} is still mounted by {}", names.join(", "))),
                }
            }
            Self::Only { of, names, fields } => {
                for object in seen.list(of)? {
                    if !names.contains(object.name()) && misfit(object, fields, bindings)?.is_none() {
                        return not(format!("{} {} is new", of.kind.info().plural, object.name()));
                    }
                }
                Ok(Verdict::Holds)
            }
            Self::All { of } => all(of, seen, bindings),
            Self::OneOf { of } => one_of(of, seen, bindings),
        }
    }
}

fn all(of: &[Condition], seen: &Observation, bindings: &Bindings) -> Result<Verdict, Unjudged> {
    for condition in of {
        if let found @ Verdict::Not { .. } = condition.judge(seen, bindings)? {
            return Ok(found);
        }
    }
    Ok(Verdict::Holds)
}

/// What stands in the way of the first is what is told: it is the usual case.
fn one_of(of: &[Condition], seen: &Observation, bindings: &Bindings) -> Result<Verdict, Unjudged> {
    let mut first = None;
    for condition in of {
        match condition.judge(seen, bindings)? {
            Verdict::Holds => return Ok(Verdict::Holds),
            Verdict::Not { because } => first = first.or(Some(because)),
        }
    }
    Ok(Verdict::Not { because: first.unwrap_or_else(|| "nothing would do".to_owned()) })
}

/// All pods of a namespace.
pub fn pods_of(namespace: &str) -> Listing {
    Listing { kind: Kind::Pod, namespace: Some(namespace.to_owned()), labels: BTreeMap::new() }
}

/// Whether one of the pod's volumes is the claim.
pub fn mounts(pod: &Object, claim: &str) -> bool {
    pod.list_at("/spec/volumes")
        .iter()
        .any(|volume| volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) == Some(claim))
}

pub(crate) fn misfit<'a>(
    object: &Object,
    fields: &'a [Field],
    bindings: &Bindings,
) -> Result<Option<&'a Field>, Unbound> {
    for field in fields {
        if !field.holds(object, bindings)? {
            return Ok(Some(field));
        }
    }
    Ok(None)
}

fn found_instead(object: &Object, field: &Field) -> String {
    match object.at(&field.pointer).filter(|value| !value.is_null()) {
        Some(found) => format!("wanted {field}, found {found}"),
        None => format!("wanted {field}, found nothing"),
    }
}

struct Fields<'a>(&'a [Field]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            write!(f, "{}{field}", if index > 0 { " and " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { object } | Self::Gone { object, .. } => write!(f, "{object} is gone"),
            Self::Is { object, fields, .. } if fields.is_empty() => write!(f, "{object} is there"),
            Self::Is { object, fields, .. } => write!(f, "{object} has {}", Fields(fields)),
            Self::Each { of, at_least, fields } => write!(f, "all {of} (at least {at_least}) have {}", Fields(fields)),
            Self::Any { of, fields } => write!(f, "one of the {of} has {}", Fields(fields)),
            Self::NotAny { of, fields } => write!(f, "none of the {of} has {}", Fields(fields)),
            Self::Unused { namespace, claim } => write!(f, "no pod of {namespace} mounts {claim}"),
            Self::Only { of, names, .. } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                write!(f, "the {of} are no others than {}", names.join(", "))
            }
            Self::All { of } => joined(f, of, " and "),
            Self::OneOf { of } => joined(f, of, " or "),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, of: &[Condition], by: &str) -> fmt::Result {
    of.iter().enumerate().try_for_each(|(index, condition)| write!(f, "{}{condition}", if index > 0 { by } else { "" }))
}
