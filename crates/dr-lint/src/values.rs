//! Values of the Velero chart: the objects that it makes of them, and where in the values each field stands.
//!
//! As its templates have it (`charts/velero/templates/{schedule,backupstoragelocation,volumesnapshotlocation,configmaps,
//! deployment}.yaml` at velero-12.1.0). Values lie over one another: what lacks a field that has to be there is taken for
//! a part, and left alone.

use dr_yaml::{Path, Step};
use serde_json::{Map, Value, json};

/// What an object is to the values that it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Template {
    /// `schedules.NAME`: the spec's fields, labels and annotations side by side.
    Schedule,
    /// An item of `configuration.backupStorageLocation` or `volumeSnapshotLocation`.
    Location,
    /// `configMaps.NAME`.
    ConfigMap,
    /// The server's Deployment, of `configuration`.
    Server,
}

/// One object of the chart.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// Where its values stand.
    pub(crate) base: Path,
    pub(crate) raw: Value,
    /// None for one that is written as it is.
    pub(crate) template: Option<Template>,
}

/// Fields of a Schedule by which its template is known for one.
const OF_A_BACKUP: [&str; 16] = [
    "includedNamespaces",
    "excludedNamespaces",
    "includedResources",
    "excludedResources",
    "includedNamespaceScopedResources",
    "includedClusterScopedResources",
    "labelSelector",
    "orLabelSelectors",
    "includeClusterResources",
    "snapshotVolumes",
    "snapshotMoveData",
    "defaultVolumesToFsBackup",
    "defaultVolumesToRestic",
    "storageLocation",
    "hooks",
    "ttl",
];
/// The chart's own fields beside those of the Schedule's spec.
const OF_THE_CHART: [&str; 3] = ["disabled", "labels", "annotations"];
/// Flags of the server that decide what a backup holds.
const FLAGS: [(&str, &str); 2] = [("features", "features"), ("defaultSnapshotMoveData", "default-snapshot-move-data")];
/// What nobody knows of a server without it: other values may say it.
const COPIES_ALL: &str = "defaultVolumesToFsBackup";

impl Template {
    /// Where a field of the object is written, from where its values stand.
    pub(crate) fn place(self, path: &Path) -> Path {
        let key = |step: Option<&Step>, name: &str| matches!(step, Some(Step::Key(key)) if key == name);
        let from = |at: usize| Path(path.0.get(at..).unwrap_or_default().to_vec());
        let (first, second) = (path.0.first(), path.0.get(1));
        let named = key(first, "metadata") && key(second, "name");
        let carried = key(first, "metadata") && (key(second, "labels") || key(second, "annotations"));
        match self {
            Self::Location if key(first, "spec") && key(second, "objectStorage") => from(2),
            Self::Schedule | Self::Location if key(first, "spec") => from(1),
            Self::Location if named => Path::keys("name"),
            Self::ConfigMap if key(first, "data") => from(0),
            Self::Schedule | Self::ConfigMap | Self::Location if carried => from(1),
            Self::Schedule | Self::ConfigMap | Self::Location | Self::Server => Path::root(),
        }
    }
}

/// The objects that the chart makes of a document; none where it holds no values of it.
pub(crate) fn rendered(document: &Value) -> Vec<Rendered> {
    let Some(top) = document.as_object() else { return Vec::new() };
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    if !top.contains_key("kind") && !top.contains_key("apiVersion") {
        let mut found = of(top, &Path::root(), None);
        // As the part of a chart that contains it.
        if let Some(values) = top.get("velero").and_then(Value::as_object) {
            found.extend(of(values, &Path::keys("velero"), None));
        }
        return found;
    }
    match text("/kind") {
        Some("HelmRelease") if text("/spec/chart/spec/chart") == Some("velero") => {
            let base = Path::keys("spec.values");
            let namespace = text("/spec/targetNamespace").or_else(|| text("/metadata/namespace"));
            let values = base.within(document).and_then(Value::as_object);
            values.map(|values| of(values, &base, namespace)).unwrap_or_default()
        }
        Some("Application") => {
            let several = document.pointer("/spec/sources").and_then(Value::as_array).map_or(0, Vec::len);
            let several = (0..several).map(|at| Path::keys("spec.sources").index(at));
            let sources = std::iter::once(Path::keys("spec.source")).chain(several);
            sources.flat_map(|source| of_source(document, &source, text("/spec/destination/namespace"))).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Of one source of an Application; of values that are written as a text all that is found is shown where the text begins.
fn of_source(document: &Value, source: &Path, namespace: Option<&str>) -> Vec<Rendered> {
    let at = |path: &str| {
        let path = source.clone().join(&Path::keys(path));
        path.within(document).map(|value| (path.clone(), value))
    };
    if at("chart").and_then(|(_, chart)| chart.as_str()) != Some("velero") {
        return Vec::new();
    }
    if let Some((base, Value::Object(values))) = at("helm.valuesObject") {
        return of(values, &base, namespace);
    }
    let Some((base, Value::String(text))) = at("helm.values") else { return Vec::new() };
    let read = dr_yaml::read(&dr_yaml::Text::from(text.as_str())).documents.into_iter().next();
    match read.and_then(|read| read.tree.ok()?.value().ok()) {
        Some(Value::Object(values)) => of(&values, &base, namespace),
        Some(_) | None => Vec::new(),
    }
}

/// `namespace` is that of the release, where the document says it.
fn of(values: &Map<String, Value>, base: &Path, namespace: Option<&str>) -> Vec<Rendered> {
    let mut found = Vec::new();
    let map = |name: &str| values.get(name).and_then(Value::as_object).into_iter().flatten();
    let named = |name: &str| metadata(&format!("velero-{name}"), namespace);
    let off = |name: &str| values.get(name).and_then(Value::as_bool) == Some(false);
    for (name, schedule) in map("schedules") {
        let Some(spec) = schedule_spec(schedule) else { continue };
        let metadata = with_carried(named(name), schedule);
        let raw = json!({ "apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": metadata, "spec": spec });
        found.push(Rendered { base: under(base, "schedules", name), raw, template: Some(Template::Schedule) });
    }
    let configuration = values.get("configuration").and_then(Value::as_object);
    for (list, kind, enabled) in [
        ("backupStorageLocation", "BackupStorageLocation", !off("backupsEnabled")),
        ("volumeSnapshotLocation", "VolumeSnapshotLocation", !off("snapshotsEnabled")),
    ] {
        let items = configuration.and_then(|all| all.get(list)).and_then(Value::as_array).filter(|_| enabled);
        for (at, item) in items.into_iter().flatten().enumerate() {
            let Some(raw) = location(item, kind, namespace) else { continue };
            let base = under(base, "configuration", list).index(at);
            found.push(Rendered { base, raw, template: Some(Template::Location) });
        }
    }
    for (name, config) in map("configMaps") {
        let Some(data) = config.get("data").filter(|data| data.is_object()) else { continue };
        let metadata = with_carried(named(name), config);
        let raw = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data });
        found.push(Rendered { base: under(base, "configMaps", name), raw, template: Some(Template::ConfigMap) });
    }
    let extra = values.get("extraObjects").and_then(Value::as_array);
    for (at, object) in extra.into_iter().flatten().enumerate() {
        // Of what the chart still fills in nobody knows what it will say.
        let whole = object.get("kind").is_some_and(Value::is_string) && !object.to_string().contains("{{");
        if whole {
            let base = base.clone().key("extraObjects").index(at);
            found.push(Rendered { base, raw: object.clone(), template: None });
        }
    }
    if let Some(configuration) = configuration.filter(|all| all.contains_key(COPIES_ALL)) {
        let base = base.clone().key("configuration");
        found.push(Rendered { base, raw: server(configuration, namespace), template: Some(Template::Server) });
    }
    found
}

fn under(base: &Path, list: &str, name: &str) -> Path {
    base.clone().key(list).key(name)
}

/// The fields that are the Schedule's own. One that is disabled is none, and one without a time or a template is a part.
fn schedule_spec(schedule: &Value) -> Option<Value> {
    let entry = schedule.as_object()?;
    let template = entry.get("template").and_then(Value::as_object)?;
    let known = OF_A_BACKUP.iter().any(|field| template.contains_key(*field));
    if entry.get("disabled").is_some_and(is_truth) || !entry.get("schedule").is_some_and(Value::is_string) || !known {
        return None;
    }
    let own = entry.iter().filter(|(field, _)| !OF_THE_CHART.contains(&field.as_str()));
    Some(Value::Object(own.map(|(field, value)| (field.clone(), value.clone())).collect()))
}

/// One that names a provider and, for backups, a bucket; the chart's own values have neither.
fn location(item: &Value, kind: &str, namespace: Option<&str>) -> Option<Value> {
    let mut spec = item.as_object()?.clone();
    let is_said = |spec: &Map<String, Value>, field: &str| {
        spec.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    };
    let backups = kind == "BackupStorageLocation";
    if !is_said(&spec, "provider") || (backups && !is_said(&spec, "bucket")) {
        return None;
    }
    let name = spec.remove("name");
    let name = name.as_ref().and_then(Value::as_str).filter(|name| !name.is_empty());
    let metadata = with_carried(metadata(name.unwrap_or("default"), namespace), item);
    for field in OF_THE_CHART {
        spec.remove(field);
    }
    if let Some(config) = spec.get_mut("config").and_then(Value::as_object_mut) {
        config.values_mut().for_each(|value| *value = Value::String(text_of(value)));
    }
    // `with` leaves out what is null or empty.
    spec.retain(|_, value| is_truth(value) || value == &Value::Bool(false));
    if backups {
        let store =
            ["bucket", "prefix", "caCert"].iter().filter_map(|field| Some(((*field).to_owned(), spec.remove(*field)?)));
        let store: Map<String, Value> = store.collect();
        spec.insert("objectStorage".to_owned(), Value::Object(store));
    }
    Some(json!({ "apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, "spec": spec }))
}

fn metadata(name: &str, namespace: Option<&str>) -> Value {
    match namespace {
        Some(namespace) => json!({ "name": name, "namespace": namespace }),
        None => json!({ "name": name }),
    }
}

fn with_carried(mut metadata: Value, entry: &Value) -> Value {
    if let Some(metadata) = metadata.as_object_mut() {
        for field in ["labels", "annotations"] {
            metadata.extend(entry.get(field).map(|value| (field.to_owned(), value.clone())));
        }
    }
    metadata
}

/// As much of the Deployment as says how the server runs.
fn server(configuration: &Map<String, Value>, namespace: Option<&str>) -> Value {
    let mut args = vec!["server".to_owned()];
    if configuration.get(COPIES_ALL).is_some_and(is_truth) {
        args.push("--default-volumes-to-fs-backup".to_owned());
    }
    for (field, flag) in FLAGS {
        if let Some(value) = configuration.get(field).filter(|value| is_truth(value)) {
            args.push(format!("--{flag}={}", text_of(value)));
        }
    }
    let more = configuration.get("extraArgs").and_then(Value::as_array).into_iter().flatten();
    args.extend(more.map(text_of));
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("velero", namespace),
        "spec": { "replicas": 1, "template": { "spec": { "containers": [
            { "name": "velero", "image": "velero/velero", "command": ["/velero"], "args": args },
        ] } } },
    })
}

/// As the templates' `quote` has it, without the quotes.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// As the templates' `if` has it.
fn is_truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(set) => *set,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
    }
}
