//! Whether the second copy of the volumes fits into what the namespace may have.
//!
//! The staging namespace gets the source's quotas and limits as its own, so what is judged is the staged claims alone.

use dr_core::facts::{Facts, Unread};
use dr_core::kind::Kind;
use dr_core::refusal::Refusal;
use serde_json::Value;

use super::captured_by_files;
use super::claim::{ClaimFacts, bytes};

const HINT: &str = "raise it for the time of the restore, or leave the claim out with --leave";

pub(super) fn preflight(facts: &Facts, claims: &[ClaimFacts], refusal: &mut Refusal) -> Result<(), Unread> {
    for quota in facts.of(Kind::ResourceQuota, &facts.namespace)? {
        let hard = quota.at("/spec/hard").and_then(Value::as_object);
        for (resource, limit) in hard.into_iter().flatten() {
            let limit = limit.as_str().unwrap_or_default();
            let Some(wanted) = wanted(resource, claims) else { continue };
            if bytes(limit).is_none_or(|limit| wanted > limit) {
                let (what, wanted) =
                    if resource.ends_with("requests.storage") { ("bytes", wanted) } else { ("claims", wanted) };
                refusal.add(
                    format!("resourcequota {}", quota.name()),
                    format!("it allows {resource} {limit}, and the staged copy needs {wanted} {what} of it"),
                    HINT,
                );
            }
        }
    }
    for limits in facts.of(Kind::LimitRange, &facts.namespace)? {
        for limit in limits.list_at("/spec/limits") {
            if limit.get("type").and_then(Value::as_str) != Some("PersistentVolumeClaim") {
                continue;
            }
            let Some(max) = limit.pointer("/max/storage").and_then(Value::as_str) else { continue };
            for claim in claims.iter().filter(|claim| bytes(&claim.request) > bytes(max)) {
                refusal.add(
                    format!("limitrange {}", limits.name()),
                    format!("it allows a claim {max}, and {} asks for {}", claim.name, claim.request),
                    HINT,
                );
            }
        }
    }
    for claim in claims {
        if let (Some((_, _, size)), Some(room)) = (captured_by_files(&claim.captured), bytes(&claim.request))
            && u128::from(size) > room
        {
            refusal.add(
                format!("claim {}", claim.name),
                format!("the backup holds {size} bytes of it, and it has room for {}", claim.request),
                "enlarge the live claim first, or leave it out with --leave",
            );
        }
    }
    Ok(())
}

/// How much the staged claims take of a quota's resource; none where they take nothing of it.
fn wanted(resource: &str, claims: &[ClaimFacts]) -> Option<u128> {
    const OF_CLASS: &str = ".storageclass.storage.k8s.io/";
    let (class, what) = match resource.split_once(OF_CLASS) {
        Some((class, what)) => (Some(class), what),
        None => (None, resource),
    };
    let counted = claims.iter().filter(|claim| class.is_none_or(|class| claim.storage_class == class));
    match what {
        "requests.storage" => Some(counted.filter_map(|claim| bytes(&claim.request)).sum()),
        "persistentvolumeclaims" | "count/persistentvolumeclaims" => u128::try_from(counted.count()).ok(),
        _ => None,
    }
}
