#!/usr/bin/env bash
# The entry point of the test image postgres:15. It does what the entry point of the official image does, in the same
# order and with the same variables, so that an application that works there works here:
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS, POSTGRES_INITDB_WALDIR,
# POSTGRES_HOST_AUTH_METHOD (each of the first four also as NAME_FILE), PGDATA, /docker-entrypoint-initdb.d.
set -Eeo pipefail

# value_of NAME [DEFAULT]: exports NAME from itself, from the file that NAME_FILE names, or from the default.
value_of() {
	local name=$1 file_name="$1_FILE" value=${2:-}
	if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
		echo >&2 "error: both $name and $file_name are set (but are exclusive)"
		exit 1
	fi
	if [ -n "${!name:-}" ]; then
		value=${!name}
	elif [ -n "${!file_name:-}" ]; then
		value=$(<"${!file_name}")
	fi
	export "$name"="$value"
	unset "$file_name"
}

make_directories() {
	local user
	user=$(id -u)
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || :
	mkdir -p /var/run/postgresql || :
	chmod 03775 /var/run/postgresql || :
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		[ "$user" != 0 ] || find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres '{}' +
		chmod 700 "$POSTGRES_INITDB_WALDIR"
	fi
	if [ "$user" = 0 ]; then
		find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
		find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
	fi
}

require_password() {
	if [ "${#POSTGRES_PASSWORD}" = 0 ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
		echo >&2 'Error: Database is uninitialized and superuser password is not specified.'
		echo >&2 '       You must specify POSTGRES_PASSWORD to a non-empty value for the superuser,'
		echo >&2 '       or POSTGRES_HOST_AUTH_METHOD=trust to allow all connections without a password.'
		exit 1
	fi
}

make_database() {
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		set -- --waldir "$POSTGRES_INITDB_WALDIR" "$@"
	fi
	eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"' "$@"'
	local method=${POSTGRES_HOST_AUTH_METHOD:-}
	[ -n "$method" ] || method=$(postgres -C password_encryption "$@")
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# sql ARG…: psql over the socket of the server that only the set-up sees.
sql() {
	PGHOST= PGHOSTADDR= psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "$@"
}

server_for_setup() {
	NOTIFY_SOCKET= PGUSER="${PGUSER:-$POSTGRES_USER}" \
		pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p ${PGPORT:-5432}" -w "$1" "${@:2}"
}

make_user_database() {
	local known
	known=$(POSTGRES_DB='' sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<<"SELECT 1 FROM pg_database WHERE datname = :'db' ;")
	if [ -z "$known" ]; then
		sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db" ;'
	fi
}

run_init_files() {
	local file
	for file in /docker-entrypoint-initdb.d/*; do
		case "$file" in
		*.sh)
			if [ -x "$file" ]; then
				echo "$0: running $file"
				"$file"
			else
				echo "$0: sourcing $file"
				. "$file"
			fi
			;;
		*.sql) echo "$0: running $file"; sql --dbname "$POSTGRES_DB" -f "$file" ;;
		*.sql.gz) echo "$0: running $file"; gunzip -c "$file" | sql --dbname "$POSTGRES_DB" ;;
		*.sql.xz) echo "$0: running $file"; xzcat "$file" | sql --dbname "$POSTGRES_DB" ;;
		'/docker-entrypoint-initdb.d/*') ;;
		*) echo "$0: ignoring $file" ;;
		esac
	done
}

wants_help() {
	local arg
	for arg; do
		case "$arg" in
		-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

if [ "${1:0:1}" = '-' ]; then
	set -- postgres "$@"
fi

if [ "$1" = postgres ] && ! wants_help "$@"; then
	value_of POSTGRES_PASSWORD
	value_of POSTGRES_USER postgres
	value_of POSTGRES_DB "$POSTGRES_USER"
	value_of POSTGRES_INITDB_ARGS
	make_directories
	if [ "$(id -u)" = 0 ]; then
		exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
	fi
	if [ -s "$PGDATA/PG_VERSION" ]; then
		printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
	else
		require_password
		ls /docker-entrypoint-initdb.d/ >/dev/null
		make_database
		export PGPASSWORD="$POSTGRES_PASSWORD"
		server_for_setup start
		make_user_database
		run_init_files
		server_for_setup stop -m fast
		unset PGPASSWORD
		printf '\nPostgreSQL init process complete; ready for start up.\n\n'
	fi
fi

exec "$@"
