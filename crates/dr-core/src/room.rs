//! Whether the volumes that a restore makes are allowed and have room: quotas, limits, and what drivers say they have left.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::Object;
use crate::quantity;
use crate::refusal::Refusal;

/// A volume that will be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub claim: String,
    pub class: String,
    /// What the new claim requests.
    pub request: String,
    /// What the claim that is live now requests; none when there is none.
    pub live: Option<String>,
    /// The files in the backup, in bytes; none where it is a snapshot.
    pub files: Option<u64>,
}

/// What of it is not known.
pub type Unknown = Vec<String>;

/// Refuses what surely does not fit.
///
/// The staging namespace gets the source's quotas beside it, so there the volumes count from zero. In the source the
/// restored claims take the place of the live ones, so there only what they ask for beyond them counts.
pub fn judge(facts: &Facts, asks: &[Ask], refusal: &mut Refusal) -> Result<Unknown, Unread> {
    let asks: Vec<Sized<'_>> = asks.iter().filter_map(|ask| sized(ask, refusal)).collect();
    limits(facts, &asks, refusal)?;
    quotas(facts, &asks, refusal)?;
    let unknown = capacities(facts, &asks, refusal);
    Ok(unknown.unwrap_or_else(|unread| vec![format!("whether there is room for the volumes is not known: {unread}")]))
}

struct Sized<'a> {
    ask: &'a Ask,
    bytes: u128,
    /// Zero when the claim is gone.
    live: u128,
}

fn sized<'a>(ask: &'a Ask, refusal: &mut Refusal) -> Option<Sized<'a>> {
    let mut read = |text: &str| {
        let bytes = quantity::parse(text);
        if bytes.is_none() {
            refusal.add(
                format!("claim {}", ask.claim),
                format!("its size {text:?} is no quantity"),
                "look at the claim",
            );
        }
        bytes
    };
    let bytes = read(&ask.request)?;
    let live = match &ask.live {
        Some(live) => read(live)?,
        None => 0,
    };
    if let Some(files) = ask.files.filter(|files| u128::from(*files) > bytes) {
        refusal.add(
            format!("claim {}", ask.claim),
            format!("the backup holds {files} bytes of it, and it has room for {}", ask.request),
            "enlarge the live claim first, or leave it out with --leave",
        );
    }
    Some(Sized { ask, bytes, live })
}

/// `LimitRange` of claims: each request by itself.
fn limits(facts: &Facts, asks: &[Sized<'_>], refusal: &mut Refusal) -> Result<(), Unread> {
    for range in facts.of(Kind::LimitRange, &facts.namespace)? {
        let of_claims = range
            .list_at("/spec/limits")
            .iter()
            .filter(|limit| limit.get("type").and_then(Value::as_str) == Some("PersistentVolumeClaim"));
        for limit in of_claims {
            for Sized { ask, bytes, .. } in asks {
                let mut refuse = |bound: &str, limit: &str| {
                    refusal.add(
                        format!("claim {}", ask.claim),
                        format!("it asks for {}, and limitrange {} allows {bound} {limit}", ask.request, range.name()),
                        format!(
                            "change the limit for the restore: kubectl -n {} edit limitrange {}",
                            facts.namespace,
                            range.name()
                        ),
                    );
                };
                if let Some((text, most)) = storage(limit, "/max/storage")
                    && most.is_none_or(|most| *bytes > most)
                {
                    refuse("at most", &text);
                }
                if let Some((text, least)) = storage(limit, "/min/storage")
                    && least.is_none_or(|least| *bytes < least)
                {
                    refuse("at least", &text);
                }
            }
        }
    }
    Ok(())
}

/// A quantity as it is written, and its value where it is one.
fn storage(value: &Value, pointer: &str) -> Option<(String, Option<u128>)> {
    let text = told(value.pointer(pointer)?)?;
    let parsed = quantity::parse(&text);
    Some((text, parsed))
}

/// The server writes quantities as strings; a manifest may hold a number.
fn told(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What a quota counts, of claims.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts<'a> {
    Bytes,
    Claims,
    BytesOf(&'a str),
    ClaimsOf(&'a str),
}

fn counts(resource: &str) -> Option<Counts<'_>> {
    const OF_CLASS: &str = ".storageclass.storage.k8s.io/";
    match resource {
        "requests.storage" => Some(Counts::Bytes),
        "persistentvolumeclaims" | "count/persistentvolumeclaims" => Some(Counts::Claims),
        _ => match resource.split_once(OF_CLASS)? {
            (class, "requests.storage") => Some(Counts::BytesOf(class)),
            (class, "persistentvolumeclaims") => Some(Counts::ClaimsOf(class)),
            _ => None,
        },
    }
}

impl Counts<'_> {
    fn of(self, ask: &Sized<'_>) -> bool {
        match self {
            Self::Bytes | Self::Claims => true,
            Self::BytesOf(class) | Self::ClaimsOf(class) => ask.ask.class == class,
        }
    }

    /// What the new claims need, and how much of it stands in the place of a live claim.
    fn sum(self, asks: &[Sized<'_>]) -> (u128, u128) {
        let of = asks.iter().filter(|ask| self.of(ask));
        match self {
            Self::Bytes | Self::BytesOf(_) => of.fold((0, 0), |(new, old), ask| (new + ask.bytes, old + ask.live)),
            Self::Claims | Self::ClaimsOf(_) => {
                of.fold((0, 0), |(new, old), ask| (new + 1, old + u128::from(ask.ask.live.is_some())))
            }
        }
    }

    fn told(self, amount: u128) -> String {
        match self {
            Self::Bytes | Self::BytesOf(_) => quantity::binary(amount),
            Self::Claims | Self::ClaimsOf(_) => amount.to_string(),
        }
    }
}

fn quotas(facts: &Facts, asks: &[Sized<'_>], refusal: &mut Refusal) -> Result<(), Unread> {
    for quota in facts.of(Kind::ResourceQuota, &facts.namespace)? {
        // What has a scope counts pods, or claims of a VolumeAttributesClass: neither can be told from here.
        if !quota.list_at("/spec/scopes").is_empty() || quota.at("/spec/scopeSelector").is_some_and(|s| !s.is_null()) {
            continue;
        }
        let hard = quota.at("/spec/hard").and_then(Value::as_object).into_iter().flatten();
        for (resource, limit) in hard {
            let Some(counts) = counts(resource) else { continue };
            judge_quota(facts, quota, (resource, limit), counts, asks, refusal);
        }
    }
    Ok(())
}

fn judge_quota(
    facts: &Facts,
    quota: &Object,
    (resource, limit): (&str, &Value),
    counts: Counts<'_>,
    asks: &[Sized<'_>],
    refusal: &mut Refusal,
) {
    let subject = format!("resourcequota {}", quota.name());
    let hint = format!(
        "raise it for the restore (kubectl -n {} edit resourcequota {}), or restore in parts with --claim",
        facts.namespace,
        quota.name()
    );
    let Some(hard) = told(limit).as_deref().and_then(quantity::parse) else {
        refusal.add(subject, format!("its {resource} {limit} is no quantity"), "look at the quota");
        return;
    };
    let (new, old) = counts.sum(asks);
    if new > hard {
        let because = format!(
            "it allows {resource} {}, and the volumes staged beside the live ones, under the same quota, need {}",
            counts.told(hard),
            counts.told(new)
        );
        refusal.add(subject, because, hint);
        return;
    }
    let more = new.saturating_sub(old);
    let used = quota.at("/status/used").and_then(|used| used.get(resource)).and_then(told);
    let used = used.as_deref().and_then(quantity::parse);
    // A quota that has just been made has counted nothing yet; its limit alone was judged above.
    if let Some(used) = used
        && more > 0
        && used.saturating_add(more) > hard
    {
        let because = format!(
            "{} of {resource} {} are used, and the restored claims need {} more than the live ones",
            counts.told(used),
            counts.told(hard),
            counts.told(more)
        );
        refusal.add(subject, because, hint);
    }
}

/// What drivers publish of the room they have left. Where they publish nothing, nothing is known, and that is told.
fn capacities(facts: &Facts, asks: &[Sized<'_>], refusal: &mut Refusal) -> Result<Unknown, Unread> {
    let published = facts.all(Kind::CSIStorageCapacity)?;
    let mut by_class: BTreeMap<&str, Vec<&Sized<'_>>> = BTreeMap::new();
    for ask in asks {
        by_class.entry(&ask.ask.class).or_default().push(ask);
    }
    let mut unknown = Vec::new();
    for (class, asks) in by_class {
        if !publishes(facts, class)? {
            continue;
        }
        let of_class: Vec<&Object> =
            published.iter().filter(|capacity| capacity.str_at("/storageClassName") == Some(class)).collect();
        let read = |capacity: &&Object, pointer: &str| {
            capacity.at(pointer).and_then(told).as_deref().and_then(quantity::parse)
        };
        // Absent means that the driver could not say.
        let sizes: Option<Vec<(u128, u128)>> = of_class
            .iter()
            .map(|capacity| {
                let left = read(capacity, "/capacity")?;
                Some((left, read(capacity, "/maximumVolumeSize").map_or(left, |most| most.min(left))))
            })
            .collect();
        let Some(sizes) = sizes.filter(|sizes| !sizes.is_empty()) else {
            unknown.push(format!("whether storage class {class} has room is not known: its driver says nothing of it"));
            continue;
        };
        let hint = "free some room or add storage, or restore in parts with --claim";
        let largest = sizes.iter().map(|(_, most)| *most).max().unwrap_or(0);
        let mut refused = false;
        for ask in asks.iter().filter(|ask| ask.bytes > largest) {
            refused = true;
            let because = format!(
                "it asks for {}, and storage class {class} has room for a volume of {} at most",
                ask.ask.request,
                quantity::binary(largest)
            );
            refusal.add(format!("claim {}", ask.ask.claim), because, hint);
        }
        // Segments may share a pool: the sum is never less than what there is.
        let left: u128 = sizes.iter().map(|(left, _)| left).sum();
        let needed: u128 = asks.iter().map(|ask| ask.bytes).sum();
        if needed > left && !refused {
            let because = format!(
                "it has {} left, and the volumes staged beside the live ones need {}",
                quantity::binary(left),
                quantity::binary(needed)
            );
            refusal.add(format!("storage class {class}"), because, hint);
        }
    }
    Ok(unknown)
}

/// Whether the class's driver says what room it has; most do not, and a class may be gone.
fn publishes(facts: &Facts, class: &str) -> Result<bool, Unread> {
    let class = facts.all(Kind::StorageClass)?.iter().find(|known| known.name() == class);
    let Some(provisioner) = class.and_then(|class| class.str_at("/provisioner")) else { return Ok(false) };
    let driver = facts.all(Kind::CSIDriver)?.iter().find(|driver| driver.name() == provisioner);
    Ok(driver.and_then(|driver| driver.bool_at("/spec/storageCapacity")) == Some(true))
}
