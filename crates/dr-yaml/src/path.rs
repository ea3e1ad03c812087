//! Where in an object: `spec.template.hooks.resources[0].name`.

use std::fmt;

/// One step into a map or a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// The steps from an object's root.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<Step>);

impl Path {
    pub fn root() -> Self {
        Self::default()
    }

    /// Keys separated by dots, as they are written in documentation: `spec.template.ttl`.
    pub fn keys(dotted: &str) -> Self {
        Self(dotted.split('.').filter(|key| !key.is_empty()).map(|key| Step::Key(key.to_owned())).collect())
    }

    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Step::Key(key.into()));
        self
    }

    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    pub fn join(mut self, further: &Self) -> Self {
        self.0.extend(further.0.iter().cloned());
        self
    }

    /// Without its last step; the root is its own parent.
    pub fn parent(&self) -> Self {
        let mut steps = self.0.clone();
        steps.pop();
        Self(steps)
    }

    /// What stands there in a JSON value.
    pub fn within<'v>(&self, value: &'v serde_json::Value) -> Option<&'v serde_json::Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
                    match (plain, at) {
                        (true, 0) => f.write_str(key)?,
                        (true, _) => write!(f, ".{key}")?,
                        (false, _) => write!(f, "[{key:?}]")?,
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_documentation_writes_it() {
        let path = Path::keys("spec.hooks.resources").index(0).key("name");
        assert_eq!(path.to_string(), "spec.hooks.resources[0].name");
        let path = Path::keys("metadata.annotations").key("velero.io/x");
        assert_eq!(path.to_string(), r#"metadata.annotations["velero.io/x"]"#);
    }
}
