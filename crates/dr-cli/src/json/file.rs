//! A document of ours that is read back: what it is, and at which place it is not what it should be.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::Exit;
use crate::json::VERSION;
use crate::report::Failure;

/// What a file should be.
pub(crate) struct Wanted<'a> {
    /// As errors call the file.
    pub(crate) name: &'a str,
    /// `Plan`; what is inside lies under the same name in lower case.
    pub(crate) kind: &'static str,
    /// The newest format that is read.
    pub(crate) format: u32,
    /// How to get a good one.
    pub(crate) again: &'static str,
}

/// What a file holds.
pub(crate) struct Opened<T> {
    pub(crate) whole: Value,
    pub(crate) inner: T,
}

impl Wanted<'_> {
    fn field(&self) -> String {
        self.kind.to_lowercase()
    }

    fn usage(&self, pointer: &str, because: &str) -> Failure {
        Failure::usage(format!("{}: at {pointer}: {because}", self.name)).hint(self.again)
    }

    pub(crate) fn open<T: DeserializeOwned>(&self, text: &str) -> Result<Opened<T>, Failure> {
        let Self { name, kind, format: newest, again } = self;
        let whole: Value = serde_json::from_str(text).map_err(|error| {
            let cut = if error.is_eof() { " (it ends in the middle)" } else { "" };
            let message = format!("{name}:{}:{}: this is no whole JSON document{cut}", error.line(), error.column());
            Failure::usage(message).hint(*again)
        })?;
        let missing = format!("missing, so this is no {}", self.field());
        let field = |pointer: &str| whole.pointer(pointer).and_then(Value::as_str);
        match (field("/apiVersion"), field("/kind")) {
            (Some(VERSION), Some(found)) if found == *kind => {}
            (Some(VERSION), Some(found)) => {
                return Err(self.usage("/kind", &format!("this is of kind {found}, not {kind}")));
            }
            (Some(VERSION), None) => return Err(self.usage("/kind", &missing)),
            (Some(version), _) => {
                let message = format!("{name}: at /apiVersion: {version} is not {VERSION}, which this version reads");
                return Err(Failure::refused(message).hint("use the kubectl-dr that wrote it, or make it again"));
            }
            (None, _) => return Err(self.usage("/apiVersion", &missing)),
        }
        let place = format!("/{}/format", self.field());
        match whole.pointer(&place).and_then(Value::as_u64) {
            None => return Err(self.usage(&place, &missing)),
            Some(format) if format > u64::from(*newest) => {
                let message = format!("{name}: at {place}: {format} is newer than {newest}, which this version reads");
                return Err(Failure::refused(message).hint("use the kubectl-dr that wrote it"));
            }
            Some(_) => {}
        }
        let inner = self.part(&whole, &format!("/{}", self.field()))?;
        Ok(Opened { whole, inner })
    }

    /// A part of the document, as the value it stands for.
    pub(crate) fn part<T: DeserializeOwned>(&self, whole: &Value, pointer: &str) -> Result<T, Failure> {
        let value = whole.pointer(pointer).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|error| {
            let message =
                format!("{}: at {pointer}: this is not as format {} of {} has it", self.name, self.format, self.kind);
            Failure::failed(message, error).with_exit(Exit::Usage).hint(self.again)
        })
    }
}
