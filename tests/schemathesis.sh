#!/usr/bin/env bash
# Holds the running service against its own interface document: schemathesis, every check, no failure.
# Wants a built `concord`; makes a throw-away Postgres, both sandboxes and a connected account. `--seed N` replays.
set -euo pipefail
cd "$(dirname "$0")/.."
version=4.32.5
concord="${CONCORD_BIN:-target/debug/concord}"
venv=target/schemathesis
if ! "$venv/bin/schemathesis" --version 2>/dev/null | grep -q "$version"; then
  rm -rf "$venv"
  python3 -m venv "$venv" || { apt-get install -y --no-install-recommends python3-venv >/dev/null && python3 -m venv "$venv"; }
  "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi
if [ -z "${CONCORD_TEST_DATABASE_URL:-}" ]; then
  exec "$concord" with-postgres -- bash "$0" "$@"
fi

work="$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
r_port=$(free_port); e_port=$(free_port); port=$(free_port)
base="http://127.0.0.1:$port"
token=schemathesis-admin-token

"$concord" sandbox --r-port "$r_port" --e-port "$e_port" --items 12 --no-r-limit --webhook-url "$base" >"$work/manual" 2>"$work/sandbox.log" &
for _ in $(seq 100); do grep -q '^}' "$work/manual" && break; sleep 0.1; done
# What the sandbox prints for a person: settings of a service, and the body that connects it.
python3 - "$work" <<'PY'
import re, sys
work = sys.argv[1]
manual = open(f"{work}/manual").read()
settings = dict(re.findall(r"\b(CONCORD_[A-Z_]+)=(\S+)", manual))
start = manual.index("{")
depth = 0
for end in range(start, len(manual)):
    depth += {"{": 1, "}": -1}.get(manual[end], 0)
    if depth == 0:
        break
open(f"{work}/body", "w").write(manual[start : end + 1])
with open(f"{work}/env", "w") as out:
    for name, value in settings.items():
        value = value.strip("'\"\\")
        out.write(f"export {name}='{value}'\n")
PY
# shellcheck disable=SC1091
. "$work/env"
export CONCORD_DATABASE_URL="$CONCORD_TEST_DATABASE_URL" CONCORD_LISTEN="127.0.0.1:$port" CONCORD_PUBLIC_URL="$base"
export CONCORD_MASTER_KEY="$(head -c 32 /dev/urandom | base64)" CONCORD_ADMIN_TOKEN="$token" CONCORD_LOG=warn
# Limits are tested elsewhere: here they would hide everything behind 429.
export CONCORD_KEY_RATE=0 CONCORD_ADDRESS_RATE=0 CONCORD_REFUSED_NOTICE_RATE=0
"$concord" serve >"$work/serve.out" 2>"$work/serve.log" &
for _ in $(seq 100); do curl -sf "$base/health/ready" >/dev/null && break; sleep 0.1; done
curl -sf "$base/health/ready" >/dev/null || { cat "$work/serve.log" >&2; exit 1; }
ask() { curl -sf -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@"; }
field() { python3 -c 'import json, sys; value = json.load(sys.stdin)
for part in sys.argv[1].split("."): value = value[int(part)] if part.isdigit() else value[part]
print(value)' "$1"; }
connection=$(ask -d @"$work/body" "$base/v1/connections" | field id)
for _ in $(seq 300); do [ "$(ask "$base/v1/connections/$connection/status" | field linked)" -ge 12 ] && break; sleep 0.2; done

# Real ids, so that calls reach what lies behind them. Some answers depend on more than the form of a request: whether
# credentials and ids are good, whether a day is past, whether an Idempotency-Key or an ETag was used before. Where that
# is so, 412 and 422 are answers to a well-formed request too. And to JSON Schema 652.0 is an integer, while what is signed
# are the digits of one: a notice that has it so has no readable envelope, which is a 400. Settings take no 15.0 either.
cat >"$work/schemathesis.toml" <<TOML
[parameters]
"path.connection_id" = "$connection"

[[operations]]
include-operation-id = "delete_connection"
parameters = { "path.connection_id" = "00000000-0000-7000-8000-000000000000" }

[[operations]]
include-method = "POST"
exclude-path-regex = "^/webhooks/|/preview$"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422]

[[operations]]
include-operation-id = "replace_credentials"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422]

[[operations]]
include-operation-id = "finish_oauth"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 403, 404, 409]

[[operations]]
include-operation-id = "update_connection"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 412, 422]

[[operations]]
include-operation-id = "preview_settings"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422]

# What asks a platform may be told to come again: 503 with Retry-After, when this minute's calls are used up.
[[operations]]
include-path-regex = "/plan$|/undo$|/resolve$"
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]

[[operations]]
include-operation-id = "receive_e_series"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401]
TOML
status=0
"$venv/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$base/openapi.json" \
  --header "Authorization: Bearer $token" --checks all --max-examples "${SCHEMATHESIS_EXAMPLES:-25}" --workers 1 \
  --request-timeout 20 --continue-on-failure --no-color "$@" || status=$?
if grep -E 'ERROR|panicked' "$work/serve.log"; then
  echo "the service logged errors" >&2
  status=1
fi
exit "$status"
