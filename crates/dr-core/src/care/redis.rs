//! Redis and Valkey: what is on disk is as old as the last save, so one is made.

use super::{Care, Doubt, named};
use crate::engine::Container;

const TORN: Doubt = Doubt {
    says: "with appendonly yes Redis starts from its append-only files, and a file copy of those is of different moments \
           while they are rewritten (without it, the file of a save is put in place whole)",
    instead: "take a snapshot where appendonly is on",
    source: "Redis 7, Persistence: AOF backups want automatic rewrites off meanwhile",
};

pub(super) const CARE: Care = Care {
    engine: "redis",
    recognise,
    snapshot: None,
    files: Some(TORN),
    unsaved: Some("what is on its disk is as old as its last save, unless its configuration has appendonly yes"),
    pre_backup: Some(SAVE),
};

/// One that is known to keep append-only files: they hold what was written since, and a save adds nothing.
pub(super) const APPENDING: Care = Care {
    engine: "redis",
    recognise: |container| recognise(container) && appends(container),
    snapshot: None,
    files: Some(TORN),
    unsaved: None,
    // Whoever is taken for one and is none is saved all the same.
    pre_backup: Some(SAVE),
};

const BITNAMI: [&str; 2] = ["/bitnami/redis/data", "/bitnami/valkey/data"];

const IMAGES: [&str; 5] = ["redis", "redis-cluster", "redis-stack-server", "valkey", "keydb"];

fn recognise(container: &Container<'_>) -> bool {
    named(container, &IMAGES, &["/data", BITNAMI[0], BITNAMI[1]])
}

/// By its arguments; Bitnami's images do so unless they are told otherwise (`REDIS_AOF_ENABLED`).
fn appends(container: &Container<'_>) -> bool {
    let words = [container.words("command"), container.words("args")].concat();
    let told = words.windows(2).any(|pair| pair == ["--appendonly", "yes"]);
    let refused = words.windows(2).any(|pair| pair == ["--appendonly", "no"]);
    let switches = ["REDIS_AOF_ENABLED", "VALKEY_AOF_ENABLED"].map(|name| (container.sets(name), container.env(name)));
    let by_image = switches.iter().any(|(_, value)| *value == Some("yes")) || switches.iter().all(|(sets, _)| !sets);
    told || !refused && by_image && named(container, &IMAGES, &BITNAMI)
}

/// `LASTSAVE` counts in seconds: without the pause a save right after another one would look like none.
const SAVE: &str = r#"
set -eu
if [ -n "${REDIS_PASSWORD:-}" ]; then export REDISCLI_AUTH="$REDIS_PASSWORD"; fi
client=redis-cli
command -v redis-cli >/dev/null 2>&1 || client=valkey-cli
ask() { "$client" -p "${REDIS_PORT_NUMBER:-6379}" "$@"; }
left=110
wait_for() { left=$((left - 1)); if [ "$left" -le 0 ]; then echo "$1" >&2; exit 1; fi; sleep 1; }
# A save that is under way began without what was written since.
while ask INFO persistence | grep -q -e rdb_bgsave_in_progress:1 -e aof_rewrite_in_progress:1; do
  wait_for "another save or rewrite did not end in time"
done
before=$(ask LASTSAVE)
case $before in ''|*[!0-9]*) echo "LASTSAVE answers: $before" >&2; exit 1 ;; esac
sleep 1
# The client ends with 0 for errors, too.
said=$(ask BGSAVE)
case $said in "Background saving started"*) ;; *) echo "BGSAVE answers: $said" >&2; exit 1 ;; esac
while [ "$(ask LASTSAVE)" = "$before" ]; do
  if ask INFO persistence | grep -q rdb_last_bgsave_status:err; then echo "the save failed" >&2; exit 1; fi
  wait_for "the save did not end in time"
done
"#;
