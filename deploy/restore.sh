#!/usr/bin/env bash
# Fills the empty database that CONCORD_DATABASE_URL names from a backup: deploy/restore.sh FILE
#
# Afterwards, and before anything is served: concord after-restore (deploy/BACKUP.md says why).
set -euo pipefail

file="${1:?usage: deploy/restore.sh FILE}"
: "${CONCORD_DATABASE_URL:?name the database in CONCORD_DATABASE_URL}"

programs() {
  local folder
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort --version-sort --reverse); do
    [[ ! -x "${folder}/pg_restore" ]] || { echo "${folder}"; return; }
  done
}
PATH="$(programs):${PATH}"

tables="$(psql --no-psqlrc --quiet --tuples-only --no-align --dbname="${CONCORD_DATABASE_URL}" \
  --command="select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')")"
if [[ "${tables}" != 0 ]]; then
  echo "restore: the database is not empty (${tables} tables). Make a new one and name that." >&2
  exit 1
fi
# All or nothing.
pg_restore --dbname="${CONCORD_DATABASE_URL}" --no-owner --no-privileges --single-transaction --exit-on-error "${file}"
echo "restored from ${file}. Now run: concord after-restore"
