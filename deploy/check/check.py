"""Checks the deployment files: each function below is one check and yields what is wrong, naming the file.

    python deploy/check/check.py [--root DIRECTORY] [NAME …]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml


def tool(root, *command, paths):
    """A program that says by its exit code whether the files are right."""
    done = subprocess.run([*command, *[str(path.relative_to(root)) for path in paths]], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        yield f"{command[0]}:\n{done.stdout}{done.stderr}".rstrip()


def load(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def workflows(root):
    """Workflows are right by actionlint (and shellcheck in it), by zizmor, and by their schema."""
    files = sorted((root / ".github/workflows").glob("*.yml"))
    yield from tool(root, "actionlint", paths=files)
    yield from tool(root, "zizmor", "--offline", "--no-progress", "--quiet", paths=files)
    yield from tool(root, "check-jsonschema", "--builtin-schema", "vendor.github-workflows", paths=files)


def pins(root):
    """Actions are pinned by commit, with the version beside it; nobody has rights that a job did not ask for."""
    for path in sorted((root / ".github/workflows").glob("*.yml")):
        name = path.relative_to(root)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\buses:", line) and not re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*$", line):
                yield f"{name}:{number}: pin the action by 40 hex digits and name its version: {line.strip()}"
        [workflow] = load(path)
        if workflow.get("permissions") != {}:
            yield f"{name}: `permissions: {{}}` is missing at the top"
        for job, body in workflow["jobs"].items():
            if "permissions" not in body or "timeout-minutes" not in body:
                yield f"{name}: job {job} has no permissions or no timeout"


def dependabot(root):
    """dependabot.yml is right by its schema, and looks where there is something to see."""
    path = root / ".github/dependabot.yml"
    yield from tool(root, "check-jsonschema", "--builtin-schema", "vendor.dependabot", paths=[path])
    manifests = {"cargo": "Cargo.toml", "docker": "Dockerfile", "docker-compose": "compose.yaml", "npm": "package.json",
                 "maven": "pom.xml", "pip": "requirements.txt", "github-actions": ".github/workflows"}
    for update in load(path)[0]["updates"]:
        for directory in update.get("directories", [update.get("directory")]):
            if not (root / directory.strip("/") / manifests[update["package-ecosystem"]]).exists():
                yield f".github/dependabot.yml: nothing of {update['package-ecosystem']} in {directory}"


def compose(root):
    """The compose file is right by its schema, has no moving or unknown parts, and stays on this machine."""
    path = root / "deploy/local/compose.yaml"
    yield from tool(root, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", paths=[path])
    [file] = load(path)
    services, say = file["services"], lambda text: f"deploy/local/compose.yaml: {text}"
    published = {port for service in services.values() for port in service.get("ports", [])}
    for name, service in services.items():
        if not re.fullmatch(r"[\w./-]+:(v?\d[\w.-]*|local)", service["image"]):
            yield say(f"{name}: the image {service['image']} has no version")
        for dependency in service.get("depends_on", {}):
            if dependency not in services:
                yield say(f"{name}: there is no service {dependency}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                if not (path.parent / source).is_dir() or not volume.endswith(":ro"):
                    yield say(f"{name}: {source} is no folder here, or may be written to")
            elif source not in file["volumes"]:
                yield say(f"{name}: there is no volume {source}")
    for port in published:
        if not port.startswith("127.0.0.1:"):
            yield say(f"the port {port} is open to others")
    for port in (4566, 29092):
        if f"127.0.0.1:{port}:{port}" not in published:
            yield say(f"the port {port} of the older demo is missing")
    if not services["risingwave"].get("volumes"):
        yield say("RisingWave's data is in no volume")
    if "zookeeper" in path.read_text().lower().replace("no zookeeper", ""):
        yield say("no ZooKeeper")


def dockerfile(root):
    """The Dockerfile is right by hadolint, builds with our Rust, and ends as somebody who is not root."""
    path = root / "deploy/Dockerfile"
    yield from tool(root, "hadolint", paths=[path])
    text = path.read_text()
    rust = re.search(r'channel = "(.+)"', (root / "rust-toolchain.toml").read_text())[1]
    if f"FROM rust:{rust}-" not in text:
        yield f"deploy/Dockerfile: rust-toolchain.toml says Rust {rust}"
    if (re.findall(r"^USER (\S+)", text, re.M) or [""])[-1] != "10001:10001":
        yield "deploy/Dockerfile: the last USER is not 10001:10001"
    if "HEALTHCHECK" not in text:
        yield "deploy/Dockerfile: no health check"
    for program in ("producer", "capture", "loader", "deltawave"):
        if f"target/release/{program}" not in text:
            yield f"deploy/Dockerfile: {program} is missing"
    # librdkafka's configure wants a C++ compiler, OpenSSL's make and perl.
    for package in ("g++", "make", "perl"):
        if not re.search(rf"apt-get install .*(?<![\w+]){re.escape(package)}(?![\w+])", text):
            yield f"deploy/Dockerfile: {package} is not installed for the build"
    # --mount, --chmod and here-documents are BuildKit's, which the builders of Azure's registries have not.
    for word in ("--mount", "--chmod", "<<"):
        if word in text:
            yield f"deploy/Dockerfile: {word} needs BuildKit"
    ignored = (root / ".dockerignore").read_text().splitlines()
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        for name in source.split():
            if f"!{name}" not in ignored:
                yield f".dockerignore: keeps {name} from the Dockerfile"


def shell(root):
    """Scripts are right by shellcheck."""
    yield from tool(root, "shellcheck", paths=sorted((root / "deploy").rglob("*.sh")))


def leaves(value, path=""):
    """Paths of a values file, down to what is no mapping."""
    if not isinstance(value, dict):
        yield path
        return
    for key, inner in value.items():
        yield from leaves(inner, f"{path}.{key}" if path else key)


def chart(root):
    """Helm values have only keys that the chart has."""
    known = [line for line in (root / "deploy/aks/chart-keys.txt").read_text().splitlines() if line and not line.startswith("#")]
    known = [re.compile(re.escape(key).replace(r"\*", ".+")) for key in known]
    given = {"risingwave.values.yaml": leaves(load(root / "deploy/aks/risingwave.values.yaml")[0])}
    given["install.sh"] = re.findall(r'--set(?:-string)? "([\w.\\/-]+)=', (root / "deploy/aks/install.sh").read_text())
    for file, keys in given.items():
        for key in keys:
            if not any(pattern.fullmatch(key) for pattern in known):
                yield f"deploy/aks/{file}: {key} is not in chart-keys.txt"


def manifests(root):
    """Kubernetes objects are right by its schemas, and what runs has probes, limits, and no more rights than it needs."""
    import kubernetes_validate

    settings = (root / "deploy/aks/settings.env").read_text()
    for path in sorted((root / "deploy/aks").glob("*.yaml")):
        if path.name in ("risingwave.values.yaml", "kustomization.yaml"):
            continue
        for document in load(path):
            say = f"deploy/aks/{path.name}: {document.get('kind')} {document.get('metadata', {}).get('name')}: "
            try:
                kubernetes_validate.validate(document, "1.34", strict=True)
            except Exception as error:  # its own classes differ by version
                yield say + str(error).splitlines()[0]
                continue
            pod = document.get("spec", {}).get("template")
            if not pod:
                continue
            if pod["metadata"]["labels"].get("azure.workload.identity/use") != "true":
                yield say + "no workload identity"
            if not pod["spec"]["securityContext"].get("runAsNonRoot"):
                yield say + "may run as root"
            for container in pod["spec"]["containers"]:
                for key in ("livenessProbe", "readinessProbe"):
                    if key not in container:
                        yield say + f"no {key}"
                    # So that it needs no shell in the image.
                    elif "httpGet" not in container[key]:
                        yield say + f"{key} is not by HTTP"
                if set(container.get("resources", {})) != {"requests", "limits"}:
                    yield say + "no requests or no limits"
                context = container.get("securityContext", {})
                if not context.get("readOnlyRootFilesystem") or context.get("allowPrivilegeEscalation") is not False:
                    yield say + "writes to its image, or may get more rights"
                for variable in container["env"]:
                    if "PASSWORD" in variable["name"] and not variable.get("value", "").startswith("keyvault:"):
                        yield say + f"{variable['name']} is not from the vault"
                    key = variable.get("valueFrom", {}).get("configMapKeyRef", {}).get("key")
                    if key and not re.search(rf"^{key}=", settings, re.M):
                        yield say + f"settings.env has no {key}"
    loader = next(document for document in load(root / "deploy/aks/loader.yaml") if document["kind"] == "StatefulSet")
    shard = [variable["value"] for variable in loader["spec"]["template"]["spec"]["containers"][0]["env"] if variable["name"] == "DELTAWAVE_SHARD"]
    if shard != ["$(POD_INDEX)/$(SHARDS)"]:
        yield "deploy/aks/loader.yaml: DELTAWAVE_SHARD is not $(POD_INDEX)/$(SHARDS)"


def infra(root):
    """What the scripts ask of infra/ and of the programs is there: outputs, parameters, what guard's log says when it is ready."""
    template = (root / "infra/main.bicep").read_text()
    outputs, parameters = (set(re.findall(rf"^{word} (\w+)", template, re.M)) for word in ("output", "param"))
    for file in ("next.sh", "aks/install.sh"):
        names = set(re.findall(r"(\w+)\.value\b", (root / "deploy" / file).read_text()))
        for name in sorted(names - outputs):
            yield f"deploy/{file}: infra/main.bicep has no output {name}"
        if not names:
            yield f"deploy/{file}: asks for no output"
    # Parameters in what a script says or does, and in the workflow.
    for path in (*sorted((root / "deploy").rglob("*.sh")), root / ".github/workflows/deploy.yml"):
        text = path.read_text()
        for name in re.findall(r"(?<![\w$.-])(image|source|dnsLabel|demo|run|engine|location|protect)=", text):
            if name not in parameters and "deploy/check" not in str(path):
                yield f"{path.relative_to(root)}: infra/main.bicep has no parameter {name}"
        for name, key in re.findall(r"(?<![\w$.-])(network|operator|producers|stream|alerts)\.([a-z][A-Za-z]+)", text):
            if not re.search(rf"^param {name} .*?\b{key}: types", template, re.M | re.S):
                yield f"{path.relative_to(root)}: infra/main.bicep has no parameter {name}.{key}"
    [said] = re.findall(r"grep -q '(.+)' \"\$work/log\"", (root / "deploy/deploy.sh").read_text())
    if said not in (root / "src/operator/guard/watch.rs").read_text():
        yield f"deploy/deploy.sh: waits for guard to log {said!r}, which src/operator/guard/watch.rs does not say"


def azure(root):
    """Each `az` line of scripts, workflows and docs is taken by the Azure CLI's own parser; nothing is run."""
    python = os.environ.get("AZURE_CLI_PYTHON") or root / "target/ci/azure-cli/bin/python"
    done = subprocess.run([python, Path(__file__).with_name("cli.py"), root], capture_output=True, text=True)
    if done.returncode != 0:
        yield f"{done.stdout}{done.stderr}".rstrip()


def promtool(root):
    """Prometheus' own checker, on PATH or where .ci/run puts it."""
    here = root / "target/ci/prometheus/usr/bin/promtool"
    return shutil.which("promtool") or os.environ.get("PROMTOOL") or str(here)


def prometheus(root):
    """Prometheus takes configuration and rules, each rule fires in a test on a made-up fault, and jobs are compose services."""
    folder = root / "deploy/prometheus"
    for words, file in ((["check", "config"], "prometheus.yml"), (["check", "rules"], "rules.yml"), (["test", "rules"], "rules.test.yml")):
        try:
            done = subprocess.run([promtool(root), *words, file], cwd=folder, capture_output=True, text=True)
        except OSError as error:
            yield f"promtool cannot be run ({error}): install Prometheus, or name the program in PROMTOOL"
            return
        if done.returncode != 0:
            yield f"deploy/prometheus/{file}: promtool {' '.join(words)}:\n{done.stdout}{done.stderr}".rstrip()
    tests = load(folder / "rules.test.yml")[0]["tests"]
    fired, quiet = set(), set()
    for each in (each for test in tests for each in test["alert_rule_test"]):
        (fired if each["exp_alerts"] else quiet).add(each["alertname"])
    for name in alerts_of_prometheus(root):
        if name not in fired & quiet:
            yield f"deploy/prometheus/rules.test.yml: no test has {name} firing, or none has it quiet"
    services = load(root / "deploy/local/compose.yaml")[0]["services"]
    for job in load(folder / "prometheus.yml")[0]["scrape_configs"]:
        for target in job["dns_sd_configs"]:
            variables = services.get(job["job_name"], {}).get("environment", {})
            if target["names"] != [job["job_name"]] or not variables.get("DELTAWAVE_HTTP", "").endswith(f":{target['port']}"):
                yield f"deploy/prometheus/prometheus.yml: deploy/local/compose.yaml has no service {job['job_name']} that listens on {target['port']}"


def alerts_of_prometheus(root):
    """The rules, by name."""
    groups = load(root / "deploy/prometheus/rules.yml")[0]["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


# In Azure by number.
SEVERITIES = {"1": "critical", "2": "warning", "3": "info"}


def alerts(root):
    """Prometheus' alerts, Azure's and those of docs/operations.md have the same names and weights, and each has a section."""
    page = (root / "docs/operations.md").read_text()
    rows = re.findall(r"^\| \[`([\w-]+)`\]\(#([\w-]+)\) \| (\w+) \| (yes|–) \| (yes|–) \|", page, re.M)
    listed = {name: (severity, prometheus == "yes", azure == "yes") for name, _, severity, prometheus, azure in rows}
    rules = alerts_of_prometheus(root)
    template = (root / "infra/modules/alerts.bicep").read_text()
    azure = {name: SEVERITIES[severity] for name, severity in re.findall(r"^    name: '([\w-]+)'(?:(?!\n  \}).)*?^    severity: (\d)", template, re.M | re.S)}
    for name in sorted(listed.keys() | rules.keys() | azure.keys()):
        severity, in_prometheus, in_azure = listed.get(name, (None, False, False))
        if in_prometheus != (name in rules):
            yield f"docs/operations.md: {name} {'is not' if in_prometheus else 'is'} in deploy/prometheus/rules.yml"
        if in_azure != (name in azure):
            yield f"docs/operations.md: {name} {'is not' if in_azure else 'is'} in infra/modules/alerts.bicep"
        for file, weight in (("deploy/prometheus/rules.yml", rules.get(name, {}).get("labels", {}).get("severity")), ("infra/modules/alerts.bicep", azure.get(name))):
            if weight and weight != severity:
                yield f"{file}: {name} is {weight}, in docs/operations.md {severity}"
        if name in rules and rules[name]["annotations"].get("runbook") != f"docs/operations.md#{name}":
            yield f"deploy/prometheus/rules.yml: the runbook of {name} is not docs/operations.md#{name}"
        if not re.search(rf"^### {name}$", page, re.M):
            yield f"docs/operations.md: no section says what {name} means and what to do"


def grafana(root):
    """Dashboards are JSON whose panels each ask a data source that is provisioned, and metrics that the programs have."""
    import json

    folder = root / "deploy/grafana"
    sources = {source["uid"]: source["type"] for source in load(folder / "provisioning/datasources/deltawave.yaml")[0]["datasources"]}
    known = set(re.findall(r"^\| `(deltawave_\w+)` \|", (root / "docs/metrics.md").read_text(), re.M))
    uids = set()
    for path in sorted((folder / "dashboards").glob("*.json")):
        name = path.relative_to(root)
        try:
            dashboard = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            yield f"{name}: {error}"
            continue
        if dashboard["uid"] in uids:
            yield f"{name}: another dashboard has the uid {dashboard['uid']}"
        uids.add(dashboard["uid"])
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        if len({panel["id"] for panel in dashboard["panels"]}) < len(dashboard["panels"]):
            yield f"{name}: two panels have one id"
        for panel in panels:
            say = f"{name}: {panel['title']}: "
            for each in [panel, *panel["targets"]]:
                source = each.get("datasource", {})
                if sources.get(source.get("uid")) != source.get("type"):
                    yield say + f"the data source {source} is not provisioned"
            for target in panel["targets"]:
                if not target.get("expr") and not target.get("rawSql"):
                    yield say + "asks nothing"
                for metric in re.findall(r"\bdeltawave_\w+", target.get("expr", "")):
                    if metric not in known and re.sub(r"_(bucket|sum|count)$", "", metric) not in known:
                        yield say + f"docs/metrics.md has no {metric}"
            place = panel["gridPos"]
            if place["x"] + place["w"] > 24:
                yield say + "is wider than the page"
    if len(uids) < 2:
        yield "deploy/grafana/dashboards: fewer than two dashboards are where this looks for them"


def variables(root):
    """Each container of our image gets variables that its program reads, by docs/settings.md, which a test holds to the programs."""
    _, _, table = (root / "docs/settings.md").read_text().partition("\n## Which program reads which variable\n")
    known = {name: set(programs.split(", ")) for name, programs in re.findall(r"^\| `(DELTAWAVE_\w+)` \| (.+) \|$", table, re.M)}
    containers = []
    for path in sorted((root / "deploy/aks").glob("*.yaml")):
        for document in load(path):
            pod = document.get("spec", {}).get("template", {}).get("spec", {}) if document.get("kind") in ("Deployment", "StatefulSet") else {}
            containers += [(f"deploy/aks/{path.name}", container["command"], [variable["name"] for variable in container["env"]]) for container in pod.get("containers", [])]
    services = load(root / "deploy/local/compose.yaml")[0]["services"]
    containers += [("deploy/local/compose.yaml", service["command"], list(service.get("environment", {}))) for service in services.values() if service["image"].startswith("deltawave:")]
    if len(containers) < 6:
        yield f"deploy/: only {len(containers)} containers of our image are where this looks for them"
    for file, command, names in containers:
        program = " ".join(command)
        for name in names:
            if name.startswith("DELTAWAVE_") and not known.get(name, set()) & {program, "every program"}:
                yield f"{file}: {program} does not read {name}"


CHECKS = {check.__name__: check for check in (workflows, pins, dependabot, compose, prometheus, alerts, grafana, dockerfile, shell, chart, manifests, variables, infra, azure)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("names", nargs="*", choices=[[], *CHECKS], metavar="NAME")
    arguments = parser.parse_args()
    wrong = 0
    for name in arguments.names or CHECKS:
        problems = list(CHECKS[name](arguments.root))
        print(f"{name}: {'ok' if not problems else 'WRONG'}", flush=True)
        for problem in problems:
            print(f"  {problem}", flush=True)
        wrong += len(problems)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
