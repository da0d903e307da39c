#!/usr/bin/env bash
# Runs deploy/WALKTHROUGH.md: every ```bash block in it, in order, as a newcomer would type it.
#
# A block marked ```sh shows another way, and is not run.
# CONCORD names the program (default: target/release/concord), WALKTHROUGH_DIR an empty folder to work in.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"

CONCORD="${CONCORD:-${here}/../target/release/concord}"
CONCORD="$(realpath "${CONCORD}")"
work="${WALKTHROUGH_DIR:-$(mktemp -d)}"
cd "${work}"

# What the reader has in two other terminals: here they are started below, and ended with this script.
children=()
cleanup() {
  local child
  for child in "${children[@]}"; do kill "${child}" 2>/dev/null || true; done
  wait
  [[ -n "${WALKTHROUGH_DIR:-}" ]] || rm -rf "${work}"
}
trap cleanup EXIT

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/${port}") 2>/dev/null || { echo "${port}"; return; }
  done
}
R_PORT="$(free_port)"
E_PORT="$(free_port)"
PORT="$(free_port)"

# The addresses of the page, with ports that are free here.
page() { sed -e "s#localhost:9101#127.0.0.1:${R_PORT}#g; s#localhost:9102#127.0.0.1:${E_PORT}#g; s#localhost:8080#127.0.0.1:${PORT}#g" "${here}/WALKTHROUGH.md"; }

# For the page's own use: waits until a command succeeds, for a minute.
eventually() {
  local tries
  for ((tries = 0; tries < 240; tries++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.25
  done
  echo "not within a minute: $*" >&2
  "$@"
}
# One field of a JSON answer, by its name: enough for ids, without another program.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" | head -1; }

"${CONCORD}" sandbox --r-port "${R_PORT}" --e-port "${E_PORT}" --items 12 --webhook-url "http://127.0.0.1:${PORT}" >sandbox.txt 2>sandbox.log &
children+=($!)
eventually grep -q 'Be the merchants' sandbox.txt

export CONCORD_LISTEN="127.0.0.1:${PORT}" CONCORD_DATA_DIR="${work}/data" CONCORD_ADMIN_TOKEN=sandbox-admin CONCORD_SWEEP_SECONDS=2
while IFS= read -r line; do export "${line#export }"; done < <(grep -E '^export CONCORD_[RE]_SERIES_' sandbox.txt)
"${CONCORD}" serve >serve.txt 2>serve.log &
service=$!
children+=("${service}")
eventually curl -sSf "http://127.0.0.1:${PORT}/health/ready"

# An answer that is an error ends it, and so does waiting for what does not come.
trap 'echo "not within four minutes" >&2; exit 1' TERM
curl() {
  ((SECONDS < 240)) || kill $$
  local answer="${work}/answer.$BASHPID" status=0
  command curl --silent --show-error --fail-with-body --max-time 20 "$@" >"${answer}" || status=$?
  # What was refused is told even where the answer would go into a variable.
  ((status == 0)) || cat "${answer}" >&2
  cat "${answer}"
  return "${status}"
}

number=0
block=""
inside=""
while IFS= read -r line; do
  if [[ -z "${inside}" && "${line}" == '```bash' ]]; then
    inside=yes block=""
  elif [[ -n "${inside}" && "${line}" == '```' ]]; then
    inside="" number=$((number + 1))
    printf '\n--- block %s\n%s' "${number}" "${block}"
    printf -- '---\n'
    # In this shell: later blocks use what earlier ones have set.
    eval "${block}"
    printf '\n'
  elif [[ -n "${inside}" ]]; then
    block+="${line}"$'\n'
  fi
done < <(page)
((number >= 8)) || { echo "only ${number} blocks were found" >&2; exit 1; }

# What the page has the reader do in terminal 2 at the end.
printf '\n--- doctor\n'
kill "${service}"
wait "${service}" || true
"${CONCORD}" doctor
printf '\nThe walkthrough holds.\n'
