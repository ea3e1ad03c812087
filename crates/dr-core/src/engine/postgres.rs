//! PostgreSQL: opened by its image's own entry point, asked over TCP, every table read through.

use super::{Container, Profile};

pub(super) const PROFILE: Profile = Profile {
    name: "postgres",
    recognise,
    reads_env: &["PGDATA"],
    look: Some(LOOK),
    fingerprint: FINGERPRINT,
    identity: Some(IDENTITY),
    ready: Some(READY),
    // Archiving from a staged copy would write into the real archive; a subscription would pull from the real publisher.
    staged_args: &[
        "-c",
        "archive_mode=off",
        "-c",
        "max_logical_replication_workers=0",
        "-c",
        "primary_conninfo=",
        "-c",
        "listen_addresses=127.0.0.1",
    ],
    server: Some("postgres"),
    pre_backup: Some(CHECKPOINT),
    torn_by_file_copy: true,
};

/// By image name, or by the environment that the official image reads.
fn recognise(container: &Container<'_>) -> bool {
    let name = container.image_name();
    let by_image = name == "postgres" || name == "postgresql" || name.starts_with("postgis") || name == "timescaledb";
    let on_data = container.env("PGDATA").is_some_and(|data| data.starts_with(container.mount))
        || container.mount.starts_with("/var/lib/postgresql");
    let asked = container.env("PGDATA").is_some() || container.env("POSTGRES_DB").is_some();
    (by_image || asked) && on_data
}

/// A client's connection over TCP with the container's own credentials.
///
/// `-X`: no psqlrc. The password stays in the environment of the container.
macro_rules! connect {
    () => {
        r#"
set -eu
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ -z "${POSTGRES_PASSWORD:-}" ] && [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
export PGPASSWORD="${POSTGRES_PASSWORD:-}" PGCONNECT_TIMEOUT=5 PGAPPNAME=kubectl-dr PGTZ=UTC PGDATESTYLE=ISO
ask() { psql -h 127.0.0.1 -p "${PGPORT:-5432}" -U "$user" -wXAtq -v ON_ERROR_STOP=1 "$@"; }
"#
    };
}

/// The data directory must be there before an entry point runs: over an empty one it makes a new database.
const LOOK: &str = r#"
set -eu
data=${PGDATA:-/var/lib/postgresql/data}
for file in PG_VERSION global/pg_control; do
  if [ ! -s "$data/$file" ]; then echo "no $file in $data: the volume holds no PostgreSQL data" >&2; exit 1; fi
done
have=$(cat "$data/PG_VERSION")
want=$(postgres --version 2>/dev/null | sed -e 's/[^0-9]*\([0-9]*\).*/\1/')
if [ -n "$want" ] && [ "$have" != "$want" ]; then
  echo "the data is of PostgreSQL $have, the image runs $want" >&2; exit 1
fi
"#;

const READY: &str = concat!(connect!(), r#"[ "$(ask -d "$database" -c 'select pg_is_in_recovery()')" = f ]"#);

const IDENTITY: &str =
    concat!(connect!(), r#"ask -d "$database" -c 'select system_identifier from pg_control_system()'"#);

/// Flushes dirty pages, so that a copy has less to recover. It never makes a file copy consistent.
const CHECKPOINT: &str = concat!(connect!(), r#"ask -d "$database" -c CHECKPOINT"#);

/// Rows and an order-independent checksum of every table in one snapshot per database; above 1 GiB rows only.
/// In a staged copy (`DR_STAGED=1`) the indexes are checked with amcheck where the image has it, and rolled back.
const FINGERPRINT: &str = concat!(
    connect!(),
    r#"
echo "fingerprint 1 postgres"
identity=$(ask -d "$database" -c 'select system_identifier from pg_control_system()')
version=$(ask -d "$database" -c 'show server_version')
databases=$(ask -d "$database" -c "select datname from pg_database where datallowconn and not datistemplate order by 1")
printf 'identity\t%s\nversion\t%s\n' "$identity" "$version"
printf '%s\n' "$databases" |
while IFS= read -r db; do
  ask -d "$db" -F "$(printf '\t')" <<'SQL'
set extra_float_digits = 1;
set bytea_output = hex;
set intervalstyle = postgres;
begin isolation level repeatable read read only;
select format(
  case when pg_table_size(c.oid) <= 1073741824 then
    'select ''part'', count(*), %s, coalesce(sum((''x'' || substr(md5(t::text), 1, 15))::bit(60)::bigint::numeric), 0), %L from %I.%I t'
  else
    'select ''part'', count(*), %s, ''-'', %L from %I.%I t'
  end,
  pg_table_size(c.oid), current_database() || '.' || n.nspname || '.' || c.relname, n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and c.relpersistence = 'p'
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_toast%' and n.nspname not like 'pg\_temp%'
order by n.nspname, c.relname
\gexec
commit;
SQL
done
if [ "${DR_STAGED:-}" = 1 ] && [ "$(ask -d "$database" -c "select count(*) from pg_available_extensions where name = 'amcheck'")" = 1 ]; then
  checked=$(ask -d "$database" <<'SQL'
set client_min_messages = error;
begin;
create extension if not exists amcheck;
select count(bt_index_check(c.oid)) from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
where a.amname = 'btree' and i.indisready and i.indisvalid and c.relpersistence <> 't';
rollback;
SQL
)
  printf 'note\tamcheck found %s indexes whole\n' "$checked"
fi
echo end
"#
);
