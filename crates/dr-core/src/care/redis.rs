//! Redis and Valkey: what is on disk is as old as the last save, so one is made.

use super::{Care, named};

pub(super) const CARE: Care = Care {
    engine: "redis",
    recognise: |container| {
        let images = ["redis", "redis-cluster", "redis-stack-server", "valkey", "keydb"];
        named(container, &images, &["/data", "/bitnami/redis/data", "/bitnami/valkey/data"])
    },
    snapshot: None,
    // The file of a save is put in place by a rename.
    files: None,
    pre_backup: Some(SAVE),
};

/// `LASTSAVE` counts in seconds: without the pause a save right after another one would look like none.
const SAVE: &str = r#"
set -eu
if [ -n "${REDIS_PASSWORD:-}" ]; then export REDISCLI_AUTH="$REDIS_PASSWORD"; fi
client=redis-cli
command -v redis-cli >/dev/null 2>&1 || client=valkey-cli
ask() { "$client" -p "${REDIS_PORT_NUMBER:-6379}" "$@"; }
before=$(ask LASTSAVE)
case $before in ''|*[!0-9]*) echo "LASTSAVE answers: $before" >&2; exit 1 ;; esac
sleep 1
ask BGSAVE >/dev/null
left=110
while [ "$(ask LASTSAVE)" = "$before" ]; do
  left=$((left - 1))
  if [ "$left" -le 0 ]; then echo "the save did not end in time" >&2; exit 1; fi
  if ask INFO persistence | grep -q rdb_last_bgsave_status:err; then echo "the save failed" >&2; exit 1; fi
  sleep 1
done
"#;
