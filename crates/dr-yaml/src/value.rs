//! A document as JSON: `decode.go` of go.yaml.in/yaml/v2 v2.4 and `convertToJSONableObject` of sigs.k8s.io/yaml v1.6.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use crate::MAX_DEPTH;
use crate::number;
use crate::problem::{Problem, What};
use crate::scalar::{self, Scalar};
use crate::text::Span;
use crate::tree::{Node, NodeId, Tree};

impl Tree {
    /// The document as kubectl hands it on.
    ///
    /// # Errors
    /// What kubectl cannot read either: keys that are no scalars, values that are not what their tag says, aliases that
    /// contain themselves or expand beyond go-yaml's budget; and nesting deeper than [`MAX_DEPTH`].
    pub fn value(&self) -> Result<Value, Problem> {
        Decoder { tree: self, count: 0, aliased: 0, aliases: Vec::new() }.value(self.root, 0)
    }

    /// A key as it stands in JSON.
    pub(crate) fn key(&self, id: NodeId) -> Result<String, Problem> {
        let target = self.target(id);
        let span = self.span(id);
        let Some(slot) = self.slot(target) else { return Err(Problem::unreadable(span, "a key is missing")) };
        let Node::Scalar { text, style } = &slot.node else {
            return Err(Problem::unreadable(span, "a key that is a map or a list cannot be read; is this a template?"));
        };
        match scalar::resolve(slot.tag.as_deref(), text, *style) {
            Err(message) => Err(Problem::unreadable(span, message)),
            Ok(Scalar::String(text)) => Ok(text),
            Ok(Scalar::Bool(value)) => Ok(value.to_string()),
            Ok(Scalar::Int(value)) => Ok(value.to_string()),
            Ok(Scalar::Float(value)) => Ok(number::key(value)),
            Ok(Scalar::Null) => Err(Problem::unreadable(span, "a key cannot be null")),
            Ok(Scalar::Unsigned(_)) => Err(Problem::unreadable(span, "a key cannot be so large a number")),
        }
    }

    /// Equal keys of one map, of which kubectl takes the last in silence.
    pub(crate) fn note_duplicates(&mut self) {
        let mut found = Vec::new();
        for slot in &self.slots {
            let Node::Mapping { entries, .. } = &slot.node else { continue };
            let mut seen: HashMap<String, Span> = HashMap::new();
            for entry in entries {
                if self.is_merge(entry.key) {
                    continue;
                }
                let Ok(key) = self.key(entry.key) else { continue };
                let span = self.span(entry.key);
                if let Some(first) = seen.insert(key.clone(), span.clone()) {
                    let message = format!("{key:?} stands here a second time: kubectl takes the last one in silence");
                    found.push(Problem { other: Some(first), ..Problem::new(What::DuplicateKey, span, message) });
                }
            }
        }
        self.problems.extend(found);
    }
}

struct Decoder<'t> {
    tree: &'t Tree,
    count: u64,
    aliased: u64,
    /// The aliases that are being expanded.
    aliases: Vec<NodeId>,
}

impl Decoder<'_> {
    /// go-yaml's own budget against documents that expand without bound (`decode.go:allowedAliasRatio`).
    fn charge(&mut self, id: NodeId, depth: usize) -> Result<(), Problem> {
        const LOW: f64 = 400_000.0;
        const HIGH: f64 = 4_000_000.0;
        self.count += 1;
        if !self.aliases.is_empty() {
            self.aliased += 1;
        }
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Problem::new(What::TooDeep, self.tree.span(id), message));
        }
        if self.aliased > 100 && self.count > 1000 {
            #[expect(clippy::cast_precision_loss, reason = "a ratio; the counts stay far below 2^53")]
            let (aliased, count) = (self.aliased as f64, self.count as f64);
            let allowed = 0.99 - 0.89 * ((count.clamp(LOW, HIGH) - LOW) / (HIGH - LOW));
            if aliased / count > allowed {
                let message = "the aliases of this document expand beyond what kubectl reads";
                return Err(Problem::unreadable(self.site(id), message));
            }
        }
        Ok(())
    }

    /// Where a person would look: the alias that is being expanded, or the node itself.
    fn site(&self, id: NodeId) -> Span {
        self.tree.span(self.aliases.first().copied().unwrap_or(id))
    }

    fn value(&mut self, id: NodeId, depth: usize) -> Result<Value, Problem> {
        self.charge(id, depth)?;
        let Some(slot) = self.tree.slot(id) else { return Ok(Value::Null) };
        match &slot.node {
            Node::Alias(target) => {
                self.enter(id, *target)?;
                let value = self.value(*target, depth + 1);
                self.aliases.pop();
                value
            }
            Node::Scalar { text, style } => {
                let scalar = scalar::resolve(slot.tag.as_deref(), text, *style);
                let scalar = scalar.map_err(|message| Problem::unreadable(self.tree.span(id), message))?;
                self.json(id, scalar)
            }
            Node::Sequence { items, .. } => {
                let values = items.iter().map(|item| self.value(*item, depth + 1));
                Ok(Value::Array(values.collect::<Result<_, _>>()?))
            }
            Node::Mapping { .. } => {
                let mut map = Map::new();
                self.mapping(id, &mut map, depth)?;
                Ok(Value::Object(map))
            }
        }
    }

    fn enter(&mut self, alias: NodeId, target: NodeId) -> Result<(), Problem> {
        if self.aliases.contains(&alias) {
            return Err(Problem::unreadable(self.tree.span(target), "this anchor's value contains itself"));
        }
        self.aliases.push(alias);
        Ok(())
    }

    /// Entries in their order: a later key replaces an earlier one, and so do those of a merge.
    fn mapping(&mut self, id: NodeId, map: &mut Map<String, Value>, depth: usize) -> Result<(), Problem> {
        let Some(Node::Mapping { entries, .. }) = self.tree.node(id) else { return Ok(()) };
        for entry in entries {
            if self.tree.is_merge(entry.key) {
                self.merge(entry.value, map, depth)?;
                continue;
            }
            self.charge(entry.key, depth)?;
            let key = self.tree.key(entry.key)?;
            let value = self.value(entry.value, depth + 1)?;
            map.insert(key, value);
        }
        Ok(())
    }

    fn merge(&mut self, id: NodeId, map: &mut Map<String, Value>, depth: usize) -> Result<(), Problem> {
        match self.tree.node(id) {
            Some(Node::Sequence { items, .. }) => {
                // Those that stand first win, so they come last.
                items.iter().rev().try_for_each(|item| self.merge_one(*item, map, depth))
            }
            Some(Node::Mapping { .. } | Node::Alias(_) | Node::Scalar { .. }) | None => self.merge_one(id, map, depth),
        }
    }

    fn merge_one(&mut self, id: NodeId, map: &mut Map<String, Value>, depth: usize) -> Result<(), Problem> {
        let target = self.tree.target(id);
        if !matches!(self.tree.node(target), Some(Node::Mapping { .. })) {
            return Err(Problem::unreadable(self.tree.span(id), "<< wants a map or a list of maps"));
        }
        self.charge(id, depth + 1)?;
        if id == target {
            return self.mapping(id, map, depth + 1);
        }
        self.enter(id, target)?;
        self.charge(target, depth + 1)?;
        let merged = self.mapping(target, map, depth + 1);
        self.aliases.pop();
        merged
    }

    fn json(&self, id: NodeId, scalar: Scalar) -> Result<Value, Problem> {
        Ok(match scalar {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::String(text) => Value::String(text),
            Scalar::Int(value) => Value::Number(value.into()),
            #[expect(clippy::cast_precision_loss, reason = "Kubernetes' JSON knows int64 and float64")]
            Scalar::Unsigned(value) => float(value as f64).unwrap_or(Value::Null),
            Scalar::Float(value) => float(value).ok_or_else(|| {
                Problem::unreadable(self.tree.span(id), "JSON has no infinity and no NaN: kubectl cannot read this")
            })?,
        })
    }
}

/// A float that Go would print without a fraction comes back as an integer.
fn float(value: f64) -> Option<Value> {
    match format!("{value}").parse::<i64>() {
        Ok(int) => Some(Value::Number(int.into())),
        Err(_) => Number::from_f64(value).map(Value::Number),
    }
}
