//! A copy of plan and journal on the machine that ran them, for the day the cluster is gone. Best effort: the journal
//! in the cluster is what counts.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use dr_run::journal::Entry;
use dr_run::plan::Plan;
use etcetera::BaseStrategy as _;

#[derive(Debug, Clone)]
pub(crate) struct LocalCopy {
    folder: PathBuf,
}

impl LocalCopy {
    /// Under the XDG state directory; none when there is no home.
    pub(crate) fn of_user(server: &str) -> Option<Self> {
        let strategy = etcetera::choose_base_strategy().ok()?;
        let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
        let place: String =
            server.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
        Some(Self { folder: state.join("kubectl-dr").join(place) })
    }

    #[cfg(test)]
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn plan(&self, plan: &Plan) {
        let written = serde_json::to_vec(plan).map_err(io::Error::from);
        let result = written.and_then(|bytes| self.open(&format!("{}.plan.json", plan.id), false)?.write_all(&bytes));
        tell(result);
    }

    pub(crate) fn append(&self, id: &str, entries: &[Entry]) {
        let lines: Result<Vec<String>, _> = entries.iter().map(serde_json::to_string).collect();
        let result = lines.map_err(io::Error::from).and_then(|lines| {
            let mut text = lines.join("\n");
            text.push('\n');
            self.open(&format!("{id}.journal.jsonl"), true)?.write_all(text.as_bytes())
        });
        tell(result);
    }

    fn open(&self, name: &str, append: bool) -> io::Result<std::fs::File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600);
        if append {
            options.append(true)
        } else {
            options.write(true).truncate(true)
        };
        options.open(self.folder.join(name))
    }
}

/// Writes a text beside the copies of runs against this server, and says where it lies.
pub fn keep(server: &str, name: &str, text: &str) -> io::Result<PathBuf> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no home directory (HOME, XDG_STATE_HOME)");
    let copy = LocalCopy::of_user(server).ok_or_else(missing)?;
    copy.open(name, false)?.write_all(text.as_bytes())?;
    Ok(copy.folder.join(name))
}

fn tell(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!("the local copy of the journal is not written: {error}");
    }
}
