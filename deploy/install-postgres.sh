#!/usr/bin/env bash
# Installs the Postgres server programs that Concord's private database needs, unless they are
# here already. Only the programs: no system-wide database is made or started.
set -euo pipefail

oldest=14

# The same places, in short, where Concord itself looks (src/store/cluster/binaries.rs).
present() {
  local folder version
  local -a on_path=()
  IFS=: read -r -a on_path <<<"${PATH}"
  for folder in "${on_path[@]}" \
    /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/lib/postgresql*/bin /usr/libexec/postgresql* \
    /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
    /Applications/Postgres.app/Contents/Versions/*/bin \
    /usr/bin /usr/local/bin /usr/local/pgsql/bin /opt/homebrew/bin; do
    [[ -x "${folder}/initdb" ]] || continue
    version="$("${folder}/initdb" --version 2>/dev/null || true)"
    if [[ "${version}" =~ ([0-9]+) ]] && ((BASH_REMATCH[1] >= oldest)); then
      echo "Postgres ${BASH_REMATCH[1]} is here already: ${folder}"
      return 0
    fi
  done
  return 1
}

give_up() {
  echo "install-postgres: $*" >&2
  exit 1
}

as_root() {
  if [[ "$(id -u)" -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    give_up "this needs root, and there is no sudo. As root, run: $*"
  fi
}

with_apt() {
  # One broken source of many does not matter if the package can be had from another.
  as_root apt-get update || echo "install-postgres: apt-get update failed; trying with the lists at hand" >&2
  # Debian makes and starts a cluster for the whole system at installation, unless told not to.
  if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  # --force-confold keeps that file, and asks nothing.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    -o Dpkg::Options::=--force-confold postgresql
}

main() {
  if present; then
    return 0
  fi
  if command -v apt-get >/dev/null; then
    with_apt
  elif command -v dnf >/dev/null; then
    as_root dnf install --assumeyes postgresql-server
  elif command -v brew >/dev/null; then
    # Homebrew refuses root by itself and needs no sudo.
    brew install postgresql@17
  else
    give_up "neither apt-get, dnf nor brew is here. Install the Postgres server, version ${oldest} or newer," \
      "with your system's package manager, or set CONCORD_DATABASE_URL to one that runs elsewhere"
  fi
  present || give_up "the installation ended, and no Postgres ${oldest} or newer is found. Install one by hand," \
    "or set CONCORD_DATABASE_URL"
}

main
