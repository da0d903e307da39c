#!/usr/bin/env bash
# Writes a backup of the database that CONCORD_DATABASE_URL names into a file: deploy/backup.sh FILE
#
# It can run while Concord works. The file holds the merchants' tokens sealed: it is worth nothing without
# CONCORD_MASTER_KEY, which therefore belongs elsewhere.
set -euo pipefail

file="${1:?usage: deploy/backup.sh FILE}"
: "${CONCORD_DATABASE_URL:?name the database in CONCORD_DATABASE_URL}"

# The newest client programs on this machine: those of an older release refuse a newer server.
programs() {
  local folder
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort --version-sort --reverse); do
    [[ ! -x "${folder}/pg_dump" ]] || { echo "${folder}"; return; }
  done
}
PATH="$(programs):${PATH}"

umask 077
# Beside it first, then renamed: a backup that broke off must not be taken for one.
pg_dump --dbname="${CONCORD_DATABASE_URL}" --format=custom --no-owner --no-privileges --file="${file}.part"
# A file that cannot be read back is none.
pg_restore --list "${file}.part" >/dev/null
mv "${file}.part" "${file}"
echo "backup: ${file}, $(stat --format=%s "${file}" 2>/dev/null || wc -c <"${file}") bytes"
