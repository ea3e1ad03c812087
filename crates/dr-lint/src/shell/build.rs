//! The object that a command makes: `BuildBackup` and `Run` of `pkg/cmd/cli/{backup,schedule,restore}/create.go`.

use dr_core::go_duration::GoDuration;
use dr_yaml::{Made, Path, Span};

use super::Verb;
use super::args::{Args, Refused, Set, Value};
use super::flags::Takes;
use super::selector;
use super::words::{UNKNOWN, Word};

/// An object with what is not known of it.
pub(super) struct Built {
    pub(super) object: Made,
    pub(super) unknown: Vec<Path>,
    pub(super) refused: Vec<Refused>,
}

type Fields = Vec<(String, Span, Made)>;

/// Where the fields of a flag go.
enum Into {
    Metadata,
    /// `spec.template` of a Schedule, `spec` otherwise.
    Backup,
    Spec,
}

struct Builder {
    verb: Verb,
    head: Span,
    metadata: Fields,
    spec: Fields,
    template: Fields,
    unknown: Vec<Path>,
    refused: Vec<Refused>,
}

pub(super) fn object(verb: Verb, head: &Span, args: &Args<'_>) -> Built {
    let mut builder = Builder {
        verb,
        head: head.clone(),
        metadata: Vec::new(),
        spec: Vec::new(),
        template: Vec::new(),
        unknown: Vec::new(),
        refused: args.refused.clone(),
    };
    let from_schedule = verb == Verb::Backup && args.set.iter().any(|set| set.flag.name == "from-schedule");
    builder.name(args, from_schedule);
    let namespace = args.set.iter().rev().find(|set| set.flag.field == "namespace");
    if let Some(set) = namespace {
        builder.put_text(&Into::Metadata, "namespace", set);
    } else {
        let velero = Made::String("velero".to_owned(), head.clone());
        builder.metadata.push(("namespace".to_owned(), head.clone(), velero));
    }
    builder.conflicts(args);
    if from_schedule {
        // Everything else is the schedule's, which is in the cluster.
        builder.unknown.push(Path::keys("spec"));
    } else {
        if !args.set.iter().any(|set| set.flag.name == "include-namespaces") {
            let all = Made::List(vec![Made::String("*".to_owned(), head.clone())], head.clone());
            builder.put(&Into::Backup, "includedNamespaces", head.clone(), all);
        }
        for (at, set) in args.set.iter().enumerate() {
            // Of those that replace each other the last one counts.
            let again = args.set.iter().skip(at + 1).any(|later| later.flag.name == set.flag.name);
            if !again || matches!(set.flag.takes, Takes::Map(_) | Takes::Slice) {
                builder.add(set);
            }
        }
    }
    builder.finish()
}

impl Builder {
    fn refuse(&mut self, span: Span, message: impl std::convert::Into<String>) {
        self.refused.push(Refused { span, message: message.into() });
    }

    /// The one word that is neither flag nor value.
    fn name(&mut self, args: &Args<'_>, from_schedule: bool) {
        let names: Vec<&&Word> = args.rest.iter().skip(2).collect();
        let implied = self.verb == Verb::Restore || from_schedule;
        match names.as_slice() {
            [name] => {
                let value = Value::Said { word: name, from: 0 };
                self.text(&Into::Metadata, "name", name.span.clone(), &value);
            }
            [] if implied || args.open => self.unknown.push(Path::keys("metadata.name")),
            [] => self.refuse(self.head.clone(), format!("{} wants a name", self.verb.command())),
            // Behind a flag that nobody knows stands its value.
            [_, _, ..] if !args.refused.is_empty() => {}
            [_, second, ..] => {
                // `--snapshot-volumes false`: the flag is true, and the word a name.
                let flag = args.set.iter().rev().find(|set| {
                    matches!((set.flag.takes, set.value), (Takes::Bool, Value::Implied))
                        && set.at.end < second.span.start
                });
                let message = match flag {
                    Some(set) if matches!(second.text.as_str(), "true" | "false") => {
                        format!("--{0} takes its value behind a =: --{0}={1}", set.flag.name, second.text)
                    }
                    Some(_) | None => format!("{} takes one name, and this is another", self.verb.command()),
                };
                self.refuse(second.span.clone(), message);
            }
        }
        if let [name] = names.as_slice()
            && matches!(name.text.as_str(), "true" | "false")
            && let Some(set) =
                args.set.iter().find(|set| matches!(set.value, Value::Implied) && set.at.end < name.span.start)
        {
            self.refuse(
                name.span.clone(),
                format!("this is the name here, and --{0} is true: --{0}={1} is wanted", set.flag.name, name.text),
            );
        }
    }

    /// What velero says against flags together (`Validate`).
    fn conflicts(&mut self, args: &Args<'_>) {
        let at = |names: &[&str]| args.set.iter().find(|set| names.contains(&set.flag.name));
        // Where the name is a variable, that may hold the flag.
        let open = args.open || args.rest.get(2).is_some_and(|name| name.bare);
        if let (Some(_), Some(other)) = (at(&["selector"]), at(&["or-selector"])) {
            self.refuse(other.at.clone(), "--selector and --or-selector cannot be used together");
        }
        if self.verb == Verb::Restore {
            match (at(&["from-backup"]), at(&["from-schedule"])) {
                (Some(_), Some(other)) => self.refuse(other.at.clone(), "from a backup or from a schedule, not both"),
                (None, None) if !open => {
                    self.refuse(self.head.clone(), "velero restore create wants --from-backup or --from-schedule");
                }
                _ => {}
            }
            if let Some(set) = at(&["existing-resource-policy"])
                && !set.value.is_unknown()
                && !matches!(set.value.text(), "" | "none" | "update")
            {
                let span = set.value.part(0..set.value.text().len(), &set.at);
                self.refuse(span, "--existing-resource-policy takes none or update");
            }
            return;
        }
        let old = at(&["include-resources", "exclude-resources", "include-cluster-resources"]);
        let new = at(&[
            "include-cluster-scoped-resources",
            "exclude-cluster-scoped-resources",
            "include-namespace-scoped-resources",
            "exclude-namespace-scoped-resources",
        ]);
        if let (Some(old), Some(new)) = (old, new) {
            let message = format!("--{} and --{} cannot be used together", old.flag.name, new.flag.name);
            self.refuse(new.at.clone(), message);
        }
        if self.verb == Verb::Schedule && !open && at(&["schedule"]).is_none_or(|set| set.value.text().is_empty()) {
            self.refuse(self.head.clone(), "velero schedule create wants --schedule");
        }
        if let Some(set) = args.set.iter().find(|set| set.flag.name == "from-schedule")
            && set.value.text().trim().is_empty()
        {
            self.refuse(set.at.clone(), "--from-schedule wants a value");
        }
    }

    fn add(&mut self, set: &Set<'_>) {
        let into = match set.flag.field {
            "" | "namespace" => return self.check(set),
            "labels" | "annotations" => Into::Metadata,
            "schedule" | "paused" | "skipImmediately" | "useOwnerReferencesInBackup" => Into::Spec,
            _ => Into::Backup,
        };
        let (field, text) = (set.flag.field, set.value.text());
        let whole = set.value.part(0..text.len(), &set.at);
        match set.flag.takes {
            Takes::Text if field == "skipImmediately" => self.bool(&into, field, set),
            Takes::Text if matches!(field, "resourcePolicy" | "resourceModifier") => {
                let kind = Made::String("configmap".to_owned(), set.at.clone());
                let name = Made::String(text.to_owned(), whole.clone());
                if set.value.is_unknown() {
                    self.unknown.push(self.path(&into, field).key("name"));
                }
                let map = vec![("kind".to_owned(), set.at.clone(), kind), ("name".to_owned(), set.at.clone(), name)];
                self.put(&into, field, set.at.clone(), Made::Map(map, whole));
            }
            Takes::Text => self.put_text(&into, field, set),
            Takes::List | Takes::Slice => self.list(&into, field, set),
            Takes::Map(delimiter) => self.map(&into, field, delimiter, set),
            Takes::Bool => self.bool(&into, field, set),
            Takes::Duration => match GoDuration::parse(text) {
                _ if set.value.is_unknown() => self.put_text(&into, field, set),
                Ok(_) => self.put_text(&into, field, set),
                Err(error) => self.refuse(whole, format!("--{} is refused: {error}", set.flag.name)),
            },
            Takes::Number if set.value.is_unknown() || text.parse::<i64>().is_ok() => {
                if set.value.is_unknown() {
                    self.unknown.push(self.path(&into, field));
                } else {
                    self.put(&into, field, set.at.clone(), Made::Plain(text.to_owned(), whole));
                }
            }
            Takes::Number => self.refuse(whole, format!("--{} wants a whole number", set.flag.name)),
            Takes::Selector => {
                if let Some(selector) = self.selector(&into, field, set, 0..text.len()) {
                    self.put(&into, field, set.at.clone(), selector);
                }
            }
            Takes::Selectors => {
                let mut start = 0;
                let mut all = Vec::new();
                for part in text.split(" or ") {
                    match self.selector(&into, field, set, start..start + part.len()) {
                        Some(selector) => all.push(selector),
                        None => return,
                    }
                    start += part.len() + " or ".len();
                }
                self.put(&into, field, set.at.clone(), Made::List(all, whole));
            }
            Takes::Ordered => self.ordered(&into, field, set),
            Takes::Nothing | Takes::Switch => {}
        }
    }

    /// Flags that make no field still have to be right.
    fn check(&mut self, set: &Set<'_>) {
        if set.flag.takes == Takes::Switch && !set.value.is_unknown() && boolean(set.value.text()).is_none() {
            let span = set.value.part(0..set.value.text().len(), &set.at);
            self.refuse(span, format!("--{} wants true or false", set.flag.name));
        }
    }

    fn path(&self, into: &Into, field: &str) -> Path {
        let base = match (into, self.verb) {
            (Into::Metadata, _) => "metadata",
            (Into::Backup, Verb::Schedule) => "spec.template",
            (Into::Backup | Into::Spec, _) => "spec",
        };
        Path::keys(base).join(&Path::keys(field))
    }

    fn put(&mut self, into: &Into, field: &str, at: Span, value: Made) {
        let fields = match (into, self.verb) {
            (Into::Metadata, _) => &mut self.metadata,
            (Into::Backup, Verb::Schedule) => &mut self.template,
            (Into::Backup | Into::Spec, _) => &mut self.spec,
        };
        match field.split_once('.') {
            None => fields.push((field.to_owned(), at, value)),
            Some((outer, inner)) => {
                let entry = (inner.to_owned(), at.clone(), value);
                match fields.iter_mut().find(|(name, _, _)| name == outer) {
                    Some((_, _, Made::Map(entries, _))) => entries.push(entry),
                    Some(_) | None => {
                        fields.push((outer.to_owned(), at.clone(), Made::Map(vec![entry], at)));
                    }
                }
            }
        }
    }

    fn put_text(&mut self, into: &Into, field: &str, set: &Set<'_>) {
        let value = set.value;
        self.text(into, field, set.at.clone(), &value);
    }

    fn text(&mut self, into: &Into, field: &str, at: Span, value: &Value<'_>) {
        let text = value.text();
        let place = value.part(0..text.len(), &at);
        if value.is_unknown() {
            self.unknown.push(self.path(into, field));
        }
        self.put(into, field, at, Made::String(shown(text), place));
    }

    fn bool(&mut self, into: &Into, field: &str, set: &Set<'_>) {
        let text = set.value.text();
        let place = set.value.part(0..text.len(), &set.at);
        if set.value.is_unknown() {
            self.unknown.push(self.path(into, field));
            return;
        }
        match boolean(text) {
            Some(value) => self.put(into, field, set.at.clone(), Made::Plain(value.to_string(), place)),
            // Nothing is what unsets an optional one.
            None if text.is_empty() => {}
            None => self.refuse(place, format!("--{} wants true or false", set.flag.name)),
        }
    }

    fn list(&mut self, into: &Into, field: &str, set: &Set<'_>) {
        let text = set.value.text();
        let mut start = 0;
        let mut items = Vec::new();
        for part in text.split(',') {
            let place = set.value.part(start..start + part.len(), &set.at);
            items.push(Made::String(shown(part), place));
            start += part.len() + 1;
        }
        if set.value.is_unknown() {
            self.unknown.push(self.path(into, field));
        }
        let whole = set.value.part(0..text.len(), &set.at);
        self.put(into, field, set.at.clone(), Made::List(items, whole));
    }

    fn map(&mut self, into: &Into, field: &str, delimiter: char, set: &Set<'_>) {
        let text = set.value.text();
        if set.value.is_unknown() {
            self.unknown.push(self.path(into, field));
            return;
        }
        // Quotes of CSV are for values that hold commas themselves; nobody has both.
        if text.contains('"') {
            self.unknown.push(self.path(into, field));
            return;
        }
        let mut start = 0;
        let mut entries = Vec::new();
        for part in text.split(',') {
            let Some((key, value)) = part.split_once(delimiter) else {
                let place = set.value.part(start..start + part.len(), &set.at);
                let message = format!("--{} wants key{delimiter}value, and this is {part:?}", set.flag.name);
                return self.refuse(place, message);
            };
            let key_place = set.value.part(start..start + key.len(), &set.at);
            let value_place = set.value.part(start + key.len() + 1..start + part.len(), &set.at);
            entries.push((key.to_owned(), key_place, Made::String(value.to_owned(), value_place)));
            start += part.len() + 1;
        }
        let whole = set.value.part(0..text.len(), &set.at);
        let fields = match (into, self.verb) {
            (Into::Metadata, _) => &mut self.metadata,
            (Into::Backup, Verb::Schedule) => &mut self.template,
            (Into::Backup | Into::Spec, _) => &mut self.spec,
        };
        match fields.iter_mut().find(|(name, _, _)| name == field) {
            Some((_, _, Made::Map(known, _))) => {
                known.retain(|(key, _, _)| !entries.iter().any(|(new, _, _)| new == key));
                known.extend(entries);
            }
            Some(_) | None => self.put(into, field, set.at.clone(), Made::Map(entries, whole)),
        }
    }

    fn selector(&mut self, into: &Into, field: &str, set: &Set<'_>, part: std::ops::Range<usize>) -> Option<Made> {
        let text = set.value.text().get(part.clone())?;
        if set.value.is_unknown() {
            self.unknown.push(self.path(into, field));
            // That there is one is known.
            return Some(Made::Map(Vec::new(), set.value.part(part, &set.at)));
        }
        let place =
            |inner: std::ops::Range<usize>| set.value.part(part.start + inner.start..part.start + inner.end, &set.at);
        match selector::parse(text, &place) {
            Ok(selector) => Some(selector),
            Err(message) => {
                self.refuse(place(0..text.len()), format!("--{} is refused: {message}", set.flag.name));
                None
            }
        }
    }

    /// `ParseOrderedResources`
    fn ordered(&mut self, into: &Into, field: &str, set: &Set<'_>) {
        let text = set.value.text();
        let whole = set.value.part(0..text.len(), &set.at);
        if set.value.is_unknown() {
            self.unknown.push(self.path(into, field));
            return;
        }
        if text.is_empty() {
            return;
        }
        let mut start = 0;
        let mut entries: Fields = Vec::new();
        for part in text.split(';') {
            let place = set.value.part(start..start + part.len(), &set.at);
            start += part.len() + 1;
            let mut halves = part.split('=');
            let (Some(kind), Some(names), None) = (halves.next(), halves.next(), halves.next()) else {
                let message = "--ordered-resources wants kind=namespace/name,… and ; between kinds";
                return self.refuse(place, message);
            };
            entries.retain(|(key, _, _)| key != kind.trim());
            entries.push((kind.trim().to_owned(), place.clone(), Made::String(names.trim().to_owned(), place)));
        }
        self.put(into, field, set.at.clone(), Made::Map(entries, whole));
    }

    fn finish(self) -> Built {
        let Self { verb, head, metadata, mut spec, template, unknown, refused } = self;
        let string = |text: &str| Made::String(text.to_owned(), head.clone());
        if verb == Verb::Schedule {
            spec.push(("template".to_owned(), head.clone(), Made::Map(template, head.clone())));
        }
        let fields = vec![
            ("apiVersion".to_owned(), head.clone(), string("velero.io/v1")),
            ("kind".to_owned(), head.clone(), string(verb.kind())),
            ("metadata".to_owned(), head.clone(), Made::Map(metadata, head.clone())),
            ("spec".to_owned(), head.clone(), Made::Map(spec, head.clone())),
        ];
        Built { object: Made::Map(fields, head), unknown, refused }
    }
}

/// A variable is shown as what it is.
fn shown(text: &str) -> String {
    text.replace(UNKNOWN, "$…")
}

/// `strconv.ParseBool`
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
