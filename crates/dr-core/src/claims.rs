//! Which claims a namespace has, and which it should have.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::{Facts, Unread};
use crate::kind::Kind;
use crate::object::{Json, Object};

/// Kinds whose pod template may mount a claim by name, with where the template is.
pub const WORKLOADS: &[(Kind, &str)] = &[
    (Kind::StatefulSet, "/spec/template"),
    (Kind::Deployment, "/spec/template"),
    (Kind::DaemonSet, "/spec/template"),
    (Kind::ReplicaSet, "/spec/template"),
    (Kind::Job, "/spec/template"),
    (Kind::CronJob, "/spec/jobTemplate/spec/template"),
];

/// Every claim the namespace has or its workloads ask for, with what asks for it.
pub fn wanted(facts: &Facts) -> Result<BTreeMap<String, String>, Unread> {
    let mut claims = BTreeMap::new();
    for set in facts.of(Kind::StatefulSet, &facts.namespace)? {
        for claim in of_stateful_set(set) {
            claims.entry(claim).or_insert_with(|| format!("statefulset {} asks for it", set.name()));
        }
    }
    for (kind, template) in WORKLOADS {
        for workload in facts.of(*kind, &facts.namespace)? {
            for claim in named_in(workload, &format!("{template}/spec/volumes")) {
                let by = format!("{} {} mounts it", kind.info().kind.to_lowercase(), workload.name());
                claims.entry(claim).or_insert(by);
            }
        }
    }
    for claim in facts.of(Kind::PersistentVolumeClaim, &facts.namespace)? {
        claims.entry(claim.name().to_owned()).or_insert_with(|| "it is in the namespace".to_owned());
    }
    Ok(claims)
}

/// The claims a StatefulSet makes from its templates: `<template>-<set>-<ordinal>`.
pub fn of_stateful_set(set: &Object) -> Vec<String> {
    let replicas = set.i64_at("/spec/replicas").unwrap_or(1);
    let first = set.i64_at("/spec/ordinals/start").unwrap_or(0);
    set.list_at("/spec/volumeClaimTemplates")
        .iter()
        .filter_map(|template| template.pointer("/metadata/name").and_then(Value::as_str))
        .flat_map(|template| (first..first + replicas).map(move |n| format!("{template}-{}-{n}", set.name())))
        .collect()
}

/// The claims that a list of volumes names.
pub fn named_in<J: Json>(object: &Object<J>, volumes: &str) -> Vec<String> {
    let claim = |volume: &J| volume.field("persistentVolumeClaim")?.field("claimName")?.text().map(str::to_owned);
    object.list_at(volumes).iter().filter_map(claim).collect()
}
