//! Everything an API server serves, as the engine wants it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use dr_core::object::Object;
use dr_core::select::{Cluster, Resource, Resources};
use serde_json::{Value, json};

use super::api::Api;

/// The types in the order of discovery, each in its preferred version (`ServerPreferredResources` of client-go).
fn resources(api: &Api) -> Result<Resources> {
    let mut versions: Vec<(String, Vec<String>)> = vec![(String::new(), vec!["v1".to_owned()])];
    let groups = api.get("/apis")?;
    for group in groups.get("groups").and_then(Value::as_array).into_iter().flatten() {
        let text = |pointer: &str| group.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let preferred = text("/preferredVersion/version");
        let all = group.get("versions").and_then(Value::as_array).into_iter().flatten();
        let all = all.filter_map(|version| version.get("version")?.as_str()).map(str::to_owned);
        let others = all.filter(|version| *version != preferred);
        let ordered = [preferred.clone()].into_iter().chain(others).collect();
        versions.push((text("/name"), ordered));
    }
    let mut resources = Vec::new();
    for (group, versions) in versions {
        let mut seen = BTreeSet::new();
        for version in versions {
            let path = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/{version}") };
            let list = api.get(&path)?;
            for entry in list.get("resources").and_then(Value::as_array).into_iter().flatten() {
                if let Some(resource) = Resource::of(&group, &version, entry)
                    && seen.insert(resource.plural.clone())
                {
                    resources.push(resource);
                }
            }
        }
    }
    Ok(Resources(resources))
}

/// Every object of every type that can be collected.
pub(crate) fn read(api: &Api) -> Result<Cluster> {
    let resources = resources(api)?;
    let mut objects = Vec::new();
    for resource in resources.0.iter().filter(|resource| resource.collectable) {
        let version = &resource.version;
        let (base, api_version) = if resource.group.is_empty() {
            ("/api/v1".to_owned(), version.clone())
        } else {
            (format!("/apis/{}/{version}", resource.group), format!("{}/{version}", resource.group))
        };
        let mut list = api.get(&format!("{base}/{}", resource.plural))?;
        let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        for mut item in items {
            if let Value::Object(item) = &mut item {
                item.insert("apiVersion".to_owned(), json!(api_version));
                item.insert("kind".to_owned(), json!(resource.kind));
            }
            objects.push(Object(item));
        }
    }
    Ok(Cluster::new(resources, objects, BTreeMap::new()))
}
