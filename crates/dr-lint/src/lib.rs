//! What is wrong with Velero's manifests, before the night they are needed.
//!
//! Rules speak of objects and field paths; this crate turns paths into places in files, silences what a comment
//! silences, orders what is left and makes fixes. It reads no file and prints nothing.

pub mod baseline;
mod closed;
pub mod config;
mod derived;
mod document;
pub mod finding;
mod fingerprint;
pub mod fix;
mod hooks;
pub mod input;
pub mod json;
pub mod judge;
pub mod live;
mod restored;
pub mod rule;
pub mod rules;
mod schema;
mod shell;
mod store;
mod suppress;
mod values;
mod velero;

pub use closed::{Mistake, Written};
pub use config::Config;
pub use document::Document;
pub use dr_yaml::SideBySide;
pub use finding::{By, Finding, Related, Silenced};
pub use fingerprint::fingerprint;
pub use input::{Added, File, Input, Object, Reading};
pub use judge::{Choice, Judgement, Settings, judge, judge_with};
pub use rule::{Appetite, Family, Fixable, Rule, Severity};
pub use rules::RULES;
pub use shell::Language;
pub use velero::Version;
