"""Shows that each check fails: plants one mistake at a time in a copy of the files."""

import shutil
import sys
import tempfile
from pathlib import Path

import check

ROOT = Path(__file__).resolve().parents[2]
FILES = [".dockerignore", ".github", "Cargo.toml", "Cargo.lock", "benches/peers", "deploy", "docs/metrics.md", "docs/operations.md", "docs/settings.md", "infra", "rust-toolchain.toml", "src/offline/parts", "src/operator/guard/certificate.rs", "src/operator/guard/watch.rs"]
# check, file, what stands there, the mistake
MISTAKES = [
    ("workflows", ".github/workflows/ci.yml", "runs-on: ubuntu-24.04", "runs-on: ubuntu-24.40"),
    ("workflows", ".github/workflows/release.yml", "needs: [binaries, sbom, template, image]", "needs: [binaries, sbom, template, picture]"),
    ("workflows", ".github/workflows/deploy.yml", '"$GROUP" -p "$PARAMETERS"', '$GROUP -p "$PARAMETERS"'),
    ("workflows", ".github/workflows/deploy.yml", "shell: bash", "shell: bahs"),
    ("workflows", ".github/workflows/deploy.yml", 'deploy/deploy.sh -g "$GROUP" -p "$PARAMETERS"', 'deploy/deploy.sh -g "${{ github.head_ref }}"'),
    ("pins", ".github/workflows/ci.yml", "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "actions/checkout@v7"),
    ("pins", ".github/workflows/release.yml", "permissions: {}", "permissions: write-all"),
    ("dependabot", ".github/dependabot.yml", "interval: weekly", "interval: sometimes"),
    ("dependabot", ".github/dependabot.yml", "directory: /deploy\n", "directory: /docker\n"),
    ("compose", "deploy/local/compose.yaml", "healthcheck:", "healthchecks:"),
    ("compose", "deploy/local/compose.yaml", "apache/kafka:4.3.1", "apache/kafka:latest"),
    ("compose", "deploy/local/compose.yaml", '"127.0.0.1:4566:4566"', '"4566:4566"'),
    ("compose", "deploy/local/compose.yaml", "      topic: {condition", "      topics: {condition"),
    ("compose", "deploy/local/compose.yaml", "../prometheus:/etc/prometheus:ro", "../prometheus:/etc/prometheus"),
    ("prometheus", "deploy/prometheus/prometheus.yml", "scrape_interval", "scrape_intervals"),
    ("prometheus", "deploy/prometheus/prometheus.yml", "names: [capture]", "names: [captures]"),
    ("prometheus", "deploy/prometheus/rules.yml", "deltawave_capture_ready == 0", "deltawave_capture_ready = 0"),
    ("prometheus", "deploy/prometheus/rules.test.yml", "alertname: waiting-files\n        exp_alerts: []", "alertname: bad-files\n        exp_alerts: []"),
    ("alerts", "deploy/prometheus/rules.yml", "alert: live-shut", "alert: live-closed"),
    ("alerts", "infra/modules/alerts.bicep", "name: 'waiting-files'", "name: 'files-waiting'"),
    ("alerts", "infra/modules/alerts.bicep", "name: 'live-unproven'\n    severity: 1", "name: 'live-unproven'\n    severity: 2"),
    ("alerts", "docs/operations.md", "### capture-lost\n", "### capture lost\n"),
    ("grafana", "deploy/grafana/dashboards/data.json", '"uid": "deltawave-store"', '"uid": "deltawave-stores"'),
    ("grafana", "deploy/grafana/dashboards/pipeline.json", "deltawave_loader_lag_events", "deltawave_loader_lags_events"),
    ("grafana", "deploy/grafana/dashboards/pipeline.json", '"panels": [', '"panels": [,'),
    ("dockerfile", "deploy/Dockerfile", "debian:trixie-slim", "debian"),
    ("dockerfile", "deploy/Dockerfile", "rust:1.95.0-", "rust:1.80.0-"),
    ("dockerfile", "deploy/Dockerfile", "USER 10001:10001", "USER root"),
    ("dockerfile", "deploy/Dockerfile", "g++ make perl", "make perl"),
    ("dockerfile", ".dockerignore", "!sql\n", ""),
    ("shell", "deploy/deploy.sh", 'mktemp -d)\n', "mktemp -d)\n  rm -rf $work/old\n"),
    ("chart", "deploy/aks/risingwave.values.yaml", "computeComponent:", "compute:"),
    ("chart", "deploy/aks/install.sh", "metaStore.postgresql.host=", "metaStore.postgres.host="),
    ("manifests", "deploy/aks/loader.yaml", "terminationGracePeriodSeconds: 30", "terminationGraceSeconds: 30"),
    ("manifests", "deploy/aks/guard.yaml", "readinessProbe:", "startupProbe:"),
    ("manifests", "deploy/aks/guard.yaml", "httpGet: {path: /readyz, port: http}", "exec: {command: [deltawave-health]}"),
    ("manifests", "deploy/aks/guard.yaml", '"keyvault:risingwave-root-password"', '"hunter2"'),
    ("manifests", "deploy/aks/loader.yaml", "key: ROUTE", "key: ROUTES"),
    ("manifests", "deploy/aks/loader.yaml", "$(POD_INDEX)/$(SHARDS)", "0/$(SHARDS)"),
    ("variables", "deploy/aks/loader.yaml", "DELTAWAVE_MEMORY", "DELTAWAVE_CLIENTS"),
    ("variables", "deploy/aks/guard.yaml", "DELTAWAVE_ROOT_PASSWORD", "DELTAWAVE_STORE_ROOT_PASSWORD"),
    ("variables", "deploy/local/compose.yaml", "DELTAWAVE_SKIP_EMPTY", "DELTAWAVE_SKIP"),
    ("infra", "deploy/next.sh", "frontAddress.value", "address.value"),
    ("infra", "deploy/aks/install.sh", "captureContainerUrl.value", "captureUrl.value"),
    ("infra", "deploy/deploy.sh", "the store is set up and takes changes", "the store is ready"),
    ("infra", "deploy/next.sh", "network.clientAddresses", "network.clients"),
    ("azure", "deploy/teardown.sh", "az lock list --resource-group", "az lock list --group"),
    ("azure", "deploy/next.sh", "az keyvault certificate create", "az keyvault certificate make"),
    ("azure", "deploy/checks.sh", "[?registrationState=='Registered'].namespace", "[?registrationState=='Registered'.namespace"),
    ("azure", "src/operator/guard/certificate.rs", "az keyvault certificate create", "az keyvault certificate make"),
    ("azure", "docs/settings.md", "# ", "```sh\naz group delete -n shop --force\n```\n\n# "),
]


def main():
    missed = 0
    for name, file, right, wrong in MISTAKES:
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            for part in FILES:
                source = ROOT / part
                if source.is_dir():
                    shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
                elif source.exists():
                    (root / part).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, root / part)
            text = (root / file).read_text()
            if right not in text:
                print(f"{name}: {file} no longer has {right!r}: mend MISTAKES", file=sys.stderr)
                missed += 1
                continue
            (root / file).write_text(text.replace(right, wrong))
            problems = "\n".join(check.CHECKS[name](root))
            if file not in problems:
                print(f"{name}: did not see {wrong!r} in {file}; it said: {problems or 'nothing'}", file=sys.stderr)
                missed += 1
    missing = set(check.CHECKS) - {mistake[0] for mistake in MISTAKES}
    if missing:
        print(f"no mistake is planted for {', '.join(sorted(missing))}", file=sys.stderr)
    print(f"{len(MISTAKES) - missed} of {len(MISTAKES)} planted mistakes found")
    sys.exit(bool(missed or missing))


main()
