"""What only this project knows: its table of rights, its file names, its first boot."""

import json
import re

from bicep import children, get, identifiers, literal, text, walk
from findings import Findings, templates

ROLES = {
    "2b629674-e913-4c01-ae53-ef4638d8f975": "Azure Event Hubs Data Sender",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "8a0f0c08-91a1-4084-bc3d-661d67233fed": "Storage Queue Data Message Processor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "Azure Kubernetes Service RBAC Cluster Admin",
}


def roles(files, root):
    """The role assignments are those of docs/security.md: who, which role, on what, when and why."""
    found = Findings()
    page = root / "docs/security.md"
    shown = "docs/security.md"
    listed = {}
    for number, row in enumerate(page.read_text().splitlines(), 1):
        cells = [c.strip() for c in row.strip().strip("|").split("|")]
        if row.startswith("| `") and len(cells) == 6 and re.match(r"`modules/\w+\.bicep` `\w+`$", cells[5]):
            listed[cells[5]] = (number, cells)
    assigned = set()
    for path, file in files.items():
        if file.path.suffix != ".bicep":
            continue
        for assignment in file.of("resource"):
            if not assignment.about.startswith("Microsoft.Authorization/roleAssignments@"):
                continue
            where = f"`{path}` `{assignment.name}`"
            assigned.add(where)
            body = get(assignment.body, "properties")
            actual = [
                f"`{principal(assignment, get(body, 'principalId'))}`",
                role_name(found, file, get(body, "roleDefinitionId")),
                f"`{text(get(assignment.body, 'scope')) if get(assignment.body, 'scope') is not None else 'the resource group'}`",
                f"`{assignment.condition}`" if assignment.condition else "always",
                literal(get(body, "description")) or "",
            ]
            name = get(assignment.body, "name")
            if not text(name).startswith("guid("):
                found.add(file, name, "the name of a role assignment is guid(scope, identity, role), the same each time")
            if where not in listed:
                found.add(file, assignment.line, f"{shown} lacks the role assignment {where}: | {' | '.join(actual)} | {where} |")
                continue
            number, cells = listed[where]
            for column, documented, real in zip(("who", "role", "on", "when", "why"), cells, actual):
                if documented != real:
                    found.add(shown, number, f"{where}: {column} is {documented} here and {real} in {file.shown}:{assignment.line}")
    for where, (number, _) in listed.items():
        if where not in assigned:
            found.add(shown, number, f"there is no role assignment {where}")
    return found, f"{len(assigned)} role assignments"


def principal(assignment, node):
    name = text(node)
    loop = assignment.loop
    if loop is not None and any(text(n) == name for n in loop.named_children[:1]):
        name = text(children(loop)[1])
    name = name.split(".")[0] if "kubeletidentity" not in name else "nodes"
    return re.sub(r"PrincipalIds?$", "", name)


def role_name(found, file, node):
    var = file.find(text(node), "var")
    ids = [literal(n) for n in walk(var.value if var else node) if n.type == "string"]
    for id in ids:
        if id in ROLES:
            return ROLES[id]
    found.add(file, node, f"`{text(node)}` is none of the roles that the checks know")
    return "?"


def name_format(files, root):
    """Capture names its files as the loader expects them by default."""
    found = Findings()
    source = (root / "src/capture/name.rs").read_text()
    tokens = re.search(r"const TOKENS: .*?= \[(.*?)\];", source, re.S)
    joined = re.search(r'TOKENS\.map\(\|\(text, _\)\| text\)\.join\("(.*?)"\)', source)
    if not (tokens and joined):
        found.add("src/capture/name.rs", 1, "the default name format is not where infra/check looks for it")
        return found, "nothing"
    expected = joined[1].join(re.findall(r'\("(\{\w+\})"', tokens[1]))
    seen = 0
    for file in templates(files):
        for node in walk(file.root):
            if node.type == "object_property" and text(children(node)[0]) == "archiveNameFormat":
                value = children(node)[-1]
                var = file.find(text(value), "var")
                value = var.value if var else value
                seen += 1
                if literal(value) != expected:
                    found.add(file, value, f"archiveNameFormat is {text(value)}, the loader's default '{expected}'")
    if not seen:
        found.add("infra/modules/hub.bicep", 1, "there is no archiveNameFormat")
    return found, f"`{expected}`"


# What must be there before what, though nothing in it says so.
AFTER = {
    ("modules/hub.bicep", "eventHub"): "captureWritesFiles",
    ("modules/notifications.bicep", "loaderSubscription"): "topicTellsLoader",
    ("modules/cluster.bicep", "cluster"): "clusterJoinsSubnet",
}


def order(files, root):
    """The rights that a service tries out when a resource is made are given before it."""
    found = Findings()
    for (path, name), before in AFTER.items():
        file = files[path]
        resource = file.find(name, "resource")
        after = resource and get(resource.body, "dependsOn")
        if after is None or before not in {text(n) for n in children(after)}:
            found.add(file, resource.line if resource else 1, f"`{name}` must have `{before}` in its dependsOn")
    return found, f"{len(AFTER)} resources"


def first_boot(files, root):
    """RisingWave's SQL port is on loopback, and the guard's is opened by a certificate only."""
    found = Findings()
    file = files["modules/group.bicep"]
    source = file.path.read_text()
    command = re.search(r"'--listen-addr'\s*\n\s*'([^']*)'", source)
    at = source[: command.start()].count("\n") + 1 if command else 1
    if not command or not command[1].startswith("127.0.0.1:"):
        found.add(file, at, "RisingWave must listen on 127.0.0.1: root has no password when it first starts")
    for match in re.finditer(r"RW_LISTEN_ADDR", source):
        found.add(file, source[: match.start()].count("\n") + 1, "RW_LISTEN_ADDR is read by every node of single_node: use --listen-addr")
    for name in ("frontPorts", "openToPublic"):
        var = file.find(name, "var")
        if var is None or "front" not in {text(n) for n in identifiers(var.value)}:
            found.add(file, var.line if var else 1, f"`{name}` must depend on `front`: without a certificate no port is opened")
    main = files["main.bicep"]
    front = main.find("front", "var")
    if front is None or text(front.value) != "!empty(tlsCertificate) && !empty(tlsKey)":
        found.add(main, front.line if front else 1, "`front` must be: a certificate and its key are given")
    exposed = [n for n in walk(file.root) if n.type == "object_property" and text(children(n)[0]) == "port"]
    for node in exposed:
        if text(children(node)[-1]) not in ("frontPort", "loaderHealthPort", "guardHealthPort"):
            found.add(file, node, "only the guard's front and the health ports may be named here")
    return found, f"{len(exposed)} ports"


def rules(files, root):
    """bicepconfig.json has the compiler's rules at the level they must have."""
    found = Findings()
    path = root / "infra/bicepconfig.json"
    source = path.read_text()
    levels = {name: rule["level"] for name, rule in json.loads(source)["analyzers"]["core"]["rules"].items()}
    required = (
        "outputs-should-not-contain-secrets secure-secrets-in-params secure-parameter-default secure-params-in-nested-deploy "
        "use-secure-value-for-secure-inputs no-hardcoded-env-urls no-unused-params no-unused-vars no-unnecessary-dependson "
        "use-parent-property use-recognized-resource-type no-hardcoded-location explicit-values-for-loc-params"
    ).split()
    for rule in required:
        if levels.get(rule) != "error":
            at = source[: max(source.find(f'"{rule}"'), 0)].count("\n") + 1
            found.add("infra/bicepconfig.json", at, f"{rule} is {levels.get(rule, 'absent')}, not error")
    return found, f"{len(required)} rules"
