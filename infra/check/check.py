"""Checks infra/ and docs/security.md: what the compiler says, and what only this project knows, read from the snapshots.

    check.py [--root DIRECTORY] [--write] [NAME …]
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import compiler

SETTINGS = "docs/settings.md"
SECURITY = "docs/security.md"
# Where a value is a secret; the compiler works such calls out no further.
SECRET = re.compile(r"getKeyVaultSecret\(|listKeys\(")
# Of Rust: a string, and what stands in a macro's parentheses beside strings, with calls inside calls.
LITERAL = r'"(?:[^"\\]|\\.)*"'
INSIDE = r'[^"()]|\((?:[^()]|\([^()]*\))*\)'


def resources(root, kind=""):
    """(snapshot, resource) of all snapshots."""
    for name in compiler.SNAPSHOTS:
        for each in json.loads((root / f"infra/snapshots/{name}.json").read_text())["predictedResources"]:
            if each["type"].startswith(kind):
                yield name, each


def label(id):
    """A resource id, short: its last type and name, without what makes the name unique."""
    kind, name = id.split("/")[-2:]
    name = re.sub(r"^deltawave-?|-?l327r5nuq2\w*$", "", name)
    return f"{kind}/{name}" if name else kind


def principal(value):
    for pattern, who in ((r"kubeletidentity", "nodes"), (r"deployer\(\)", "deployer"), (r"^[\da-f-]{36}$", "principalIds"), (r"systemTopics/", "topic")):
        if re.search(pattern, value):
            return who
    return re.search(r"userAssignedIdentities/deltawave-(\w+)'", value)[1]


def roles(root):
    """The role assignments are those of docs/security.md: who, which role, on what, in which snapshots, why."""
    names = {id: name for name, id in re.findall(r"^  '?([\w ]+)'?: '([\da-f-]{36})'", (root / "infra/modules/types.bicep").read_text(), re.M)}
    made = {}
    for snapshot, each in resources(root, "Microsoft.Authorization/roleAssignments"):
        properties = each["properties"]
        scope = re.match(r"\[?(?:extensionResourceId\(')?(/subscriptions/.+?)(?:'|/providers/Microsoft.Authorization)", each["id"])[1]
        role = names.get(properties["roleDefinitionId"].rsplit("/", 1)[-1], properties["roleDefinitionId"])
        row = (f"`{principal(properties['principalId'])}`", role, f"`{label(scope)}`")
        made.setdefault((*row, properties["description"]), []).append(snapshot)
    actual = {(*row[:3], ", ".join(where), row[3]) for row, where in made.items()}
    lines = (root / SECURITY).read_text().splitlines()
    listed = {tuple(cell.strip() for cell in line.strip("|").split("|")): number for number, line in enumerate(lines, 1) if re.match(r"\| `\w+` \|(?:[^|]*\|){4}$", line)}
    for row in sorted(actual - listed.keys()):
        yield f"{SECURITY}: the role assignment is not in the table: | {' | '.join(row)} |"
    for row in listed.keys() - actual:
        yield f"{SECURITY}:{listed[row]}: there is no such role assignment"


def name_format(root):
    """Capture names its files as the loader expects them by default."""
    source = (root / "src/capture/name.rs").read_text()
    tokens = re.search(r"const TOKENS: .*?= \[(.*?)\];", source, re.S)
    joined = re.search(r'TOKENS\.map\(\|\(text, _\)\| text\)\.join\("(.*?)"\)', source)
    if not (tokens and joined):
        yield "src/capture/name.rs: the default name format is not where infra/check looks for it"
        return
    expected = joined[1].join(re.findall(r'\("(\{\w+\})"', tokens[1]))
    for snapshot, each in resources(root, "Microsoft.EventHub/namespaces/eventhubs"):
        if "captureDescription" in each.get("properties", {}):
            actual = each["properties"]["captureDescription"]["destination"]["properties"]["archiveNameFormat"]
            if actual != expected:
                yield f"infra/snapshots/{snapshot}.json: archiveNameFormat is {actual}, the loader's default {expected}"


def containers(root):
    """(snapshot, group's properties, container's name, its properties, its variables)."""
    for snapshot, group in resources(root, "Microsoft.ContainerInstance/containerGroups"):
        for each in group["properties"]["containers"]:
            properties = each["properties"]
            yield snapshot, group["properties"], each["name"], properties, {v["name"]: v for v in properties["environmentVariables"]}


def sql(root):
    """Nothing listens for SQL without a certificate: RisingWave on loopback only, the guard with one from the vault."""
    for snapshot, group, name, properties, variables in containers(root):
        say = f"infra/snapshots/{snapshot}.json: {name} "
        allowed = {8080, 8081} if group["subnetIds"] else set()
        command = properties["command"]
        if name == "risingwave":
            if "--listen-addr" not in command or not command[command.index("--listen-addr") + 1].startswith("127.0.0.1:"):
                yield say + "must listen on 127.0.0.1: root has no password when it first starts"
            if "RW_LISTEN_ADDR" in variables:
                yield say + "has RW_LISTEN_ADDR, which every node of single_node reads: use --listen-addr"
        if "DELTAWAVE_LISTEN" in variables:
            if not variables.get("DELTAWAVE_TLS_CERTIFICATE", {}).get("value", "").startswith("keyvault:"):
                yield say + "listens for SQL without a certificate from the vault"
            allowed.add(int(variables["DELTAWAVE_LISTEN"]["value"].rsplit(":", 1)[1]))
        for port in properties.get("ports", []):
            if port["port"] not in allowed:
                yield say + f"names the port {port['port']}, which is neither the guard's front nor, in a VNet, one for health"
    for snapshot, group in resources(root, "Microsoft.ContainerInstance/containerGroups"):
        group = group["properties"]
        named = {port["port"] for each in group["containers"] for port in each["properties"].get("ports", [])}
        opened = {port["port"] for port in (group["ipAddress"] or {}).get("ports", [])}
        if opened - named or (not group["subnetIds"] and opened - {4566}):
            yield f"infra/snapshots/{snapshot}.json: the group's address opens {sorted(opened)}, its containers name {sorted(named)}"


def variables(root):
    """Containers of our image get variables that their program reads, by docs/settings.md, and show no secret."""
    _, _, table = (root / SETTINGS).read_text().partition("\n## Which program reads which variable\n")
    known = {name: set(programs.split(", ")) for name, programs in re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.M)}
    if not known:
        yield f"{SETTINGS}: there is no table of variables and programs where infra/check looks for it"
    for snapshot, _, name, properties, given in containers(root):
        say = f"infra/snapshots/{snapshot}.json: {name}: "
        program = " ".join(properties["command"])
        for variable, entry in given.items():
            if SECRET.search(entry.get("value", "")):
                yield say + f"{variable} shows a secret: use secureValue"
            if name == "risingwave":
                continue
            if variable not in known:
                yield say + f"no program reads {variable}"
            elif not known[variable] & {program, "every program"}:
                yield say + f"`{program}` does not read {variable}; {', '.join(sorted(known[variable]))} do"


def words(root):
    """Alerts look for words that the programs say, in a container that is called so."""
    sources = [path.read_text().partition("#[cfg(test)]")[0] for path in sorted((root / "src").rglob("*.rs"))]
    calls = [call[1] for source in sources for call in re.finditer(rf"\btracing::(?:trace|debug|info|warn|error)!\(((?:{LITERAL}|{INSIDE})*)\)", source)]
    messages = [text[1:-1] for call in calls for text in re.findall(LITERAL, call)]
    names = {name for _, _, name, _, _ in containers(root)}
    sought = {(column, word) for _, rule in resources(root, "Microsoft.Insights/scheduledQueryRules")
              for column, word in re.findall(r'\b(Line|ContainerName) has "([^"]+)"', rule["properties"]["criteria"]["allOf"][0]["query"])}
    if not sought:
        yield "infra/modules/alerts.bicep: no alert looks for words where infra/check looks for them"
    for column, word in sorted(sought):
        # As the query language's `has`: whole words, whatever their case.
        whole = re.compile(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", re.I)
        if column == "Line" and not any(whole.search(message) for message in messages):
            yield f"infra/modules/alerts.bicep: no message in src/ has {word!r}: this alert would never see it"
        if column == "ContainerName" and word not in names:
            yield f"infra/modules/alerts.bicep: there is no container {word!r}"


def table(root):
    """The table of parameters, as infra/README.md has to have it."""
    compiled = compiler.template(root)
    defaults = next(value for name, value in compiled["variables"].items() if name.endswith("defaults"))
    rows = ["| parameter | default | meaning |", "|---|---|---|"]

    def shown(value):
        return "" if value in ("", None, {}) else f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value.strip('[]')}`"

    for name, each in compiled["parameters"].items():
        rows.append(f"| `{name}` | {shown(each.get('defaultValue'))} | {each['metadata']['description']} |")
        for inner, reference in each.get("properties", {}).items():
            definition = compiled["definitions"][reference["$ref"].split("/")[2]]["properties"][inner]
            default = "`deployer().objectId`" if inner == "principalId" else shown(defaults[name][inner])
            rows.append(f"| &nbsp; `{inner}` | {default} | {definition['metadata']['description']} |")
    return "\n".join(rows)


# The table stands behind its heading, and ends with an empty line.
IN_README = re.compile(r"(?<=\n<!-- Made by infra/check/run.sh --write -->\n\n).*?(?=\n\n)", re.S)


def readme(root):
    """infra/README.md has the table of the template's parameters."""
    found = IN_README.search((root / "infra/README.md").read_text())
    if not found or found[0] != table(root):
        yield "infra/README.md: its table is not that of main.bicep's parameters; infra/check/run.sh --write writes it anew"


def policies(root):
    """checkov's policies hold for what would be made, but for those in allowed.txt."""
    allowed, used = {}, set()
    for number, row in enumerate((root / "infra/check/allowed.txt").read_text().splitlines(), 1):
        if row.strip() and not row.startswith("#"):
            policy, where, resource, _ = row.split(None, 3)
            allowed[policy, where, resource] = number
    with tempfile.TemporaryDirectory() as folder:
        for snapshot in compiler.SNAPSHOTS:
            schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
            made = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": [each for name, each in resources(root) if name == snapshot]}
            (Path(folder) / f"{snapshot}.json").write_text(json.dumps(made, indent=1))
        command = [Path(sys.executable).parent / "checkov", "-d", folder, "--framework", "arm", "--skip-download", "--compact", "--output", "json"]
        run = subprocess.run(command, capture_output=True, text=True)
    # It ends with 0 on files that it cannot parse and on policies that crash, so its words are read.
    try:
        results = json.loads(run.stdout)["results"]
    except (json.JSONDecodeError, KeyError, TypeError):
        yield f"checkov gave no report: {(run.stderr or run.stdout).strip()[-300:]}"
        return
    for line in re.findall(r".*Failed to run check.*", run.stderr) + results["parsing_errors"]:
        yield f"checkov: {line}"
    for each in results["failed_checks"]:
        snapshot = Path(each["file_path"]).stem
        _, kind, made = each["resource"].split(".", 2)
        resource = label(f"{kind}/{made.rsplit('/', 1)[-1]}")
        keys = {(each["check_id"], where, pattern) for where in (snapshot, "*") for pattern in (resource, resource.split("/")[0])} & allowed.keys()
        used |= keys
        if not keys:
            yield f"infra/snapshots/{snapshot}.json: {each['check_id']} `{resource}`: {each['check_name']}"
    if len(results["passed_checks"]) < 80:
        yield f"checkov looked at {len(results['passed_checks'])} things only"
    for policy, where, resource in allowed.keys() - used:
        yield f"infra/check/allowed.txt:{allowed[policy, where, resource]}: {policy} does not fail for {resource} any more"


CHECKS = {
    "build": compiler.build, "lint": compiler.lint, "format": compiler.layout, "parameters": compiler.parameters,
    "snapshots": compiler.snapshots, "roles": roles, "name-format": name_format, "sql": sql, "variables": variables,
    "words": words, "readme": readme, "policies": policies,
}  # fmt: skip


def write(root):
    compiler.formatted(root)
    compiler.write(root)
    page = root / "infra/README.md"
    page.write_text(IN_README.sub(lambda _: table(root), page.read_text(), count=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("names", nargs="*", choices=[[], *CHECKS], metavar="NAME")
    arguments = parser.parse_args()
    print(compiler.bicep("--version").stdout.strip(), flush=True)
    if arguments.write:
        write(arguments.root)
    failed = 0
    for name in arguments.names or CHECKS:
        began = time.monotonic()
        found = list(CHECKS[name](arguments.root))
        print(f"{'FAILED' if found else 'ok':6} {name:12} {CHECKS[name].__doc__} ({time.monotonic() - began:.1f} s)", flush=True)
        for finding in found:
            print(f"  {finding}")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
