"""The checks that need nothing but the files: what the Bicep compiler would say, and what only this project knows."""

import json
import re
from pathlib import Path

from bicep import File, calls, children, first, get, identifiers, line, literal, properties, text, walk

FUNCTIONS = set(
    "any array base64 bool concat contains empty environment first format guid int join json last length list max min "
    "range readEnvironmentVariable replace resourceGroup resourceId split startsWith string subscription "
    "subscriptionResourceId substring take toLower toUpper trim union uniqueString".split()
)
# Would give each deployment something new.
ROTATING = {"newGuid", "utcNow"}
SECRET_NAME = re.compile(r"password|secret|connectionstring|accountkey|certificate|webhook|token|key$", re.I)
# Names that look like a secret's and are none.
NOT_SECRET = {"producerConnectionString", "stateSharedKey", "sharedKey", "notifyWebhook"}
LIST_CALL = re.compile(r"^(list[A-Z]\w*|list|getSecret)$")
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


class Findings(list):
    def add(self, file, where, message):
        shown = file.shown if isinstance(file, File) else file
        self.append(f"{shown}:{where if isinstance(where, int) else line(where)}: {message}")


def load(root: Path):
    """All files of infra/, by their path below it."""
    infra = root / "infra"
    paths = sorted(infra.glob("**/*.bicep")) + sorted(infra.glob("*.bicepparam"))
    return {str(p.relative_to(infra)): File(p, str(p.relative_to(root))) for p in paths}


def templates(files):
    return [f for f in files.values() if f.path.suffix == ".bicep"]


def syntax(files, root):
    """Every file is Bicep, to the grammar and to checkov's parser, which knows less of the language."""
    from lark.exceptions import UnexpectedInput
    from pycep import BicepParser

    found = Findings()
    for file in files.values():
        for node in walk_errors(file.root):
            found.add(file, node, f"not Bicep: `{text(node)[:40].splitlines()[0] if text(node) else 'something is missing'}`")
    for file in templates(files):
        try:
            BicepParser().parse(text=file.path.read_text())
        except UnexpectedInput as error:
            found.add(file, max(error.line, 1), "checkov cannot parse this, so it would not look at the file")
        except Exception as error:  # pycep's transformer has errors of its own
            found.add(file, 1, f"checkov cannot parse this file: {error}")
    return found, f"{len(files)} files"


def walk_errors(node):
    if node.is_error or node.is_missing:
        yield node
        return
    for child in node.children:
        if child.has_error or child.is_missing:
            yield from walk_errors(child)


def names(files, root):
    """Every name is declared, every declaration is used, modules get their params and give the outputs asked for."""
    found = Findings()
    count = 0
    for file in templates(files):
        declared = {d.name: d for d in file.declarations if d.kind != "output"}
        used = set()
        scopes = {}
        for node in walk(file.root):
            if node.type == "for_statement":
                names = [text(n) for n in walk(node) if n.type in ("loop_variable", "loop_enumerator")]
                parts = children(node)
                if parts[0].type == "identifier":
                    names.append(text(parts[0]))
                scopes[node.id] = names
        for declaration in file.declarations:
            for node in identifiers(declaration.node):
                name = text(node)
                if node.parent == declaration.node and name == declaration.name and node.start_point == first_name(declaration):
                    continue
                if in_loop(node, scopes, name) or node.parent.type in ("type", "decorator"):
                    continue
                if name not in declared:
                    found.add(file, node, f"`{name}` is not declared")
                elif name != declaration.name:
                    used.add(name)
                    count += 1
            for called, node in calls(declaration.node):
                function = node.named_children[0]
                if function.type == "identifier" and called not in FUNCTIONS | ROTATING:
                    found.add(file, node, f"the function `{called}` is not among those known to the checks")
        for declaration in file.of("param", "var"):
            if declaration.name not in used:
                found.add(file, declaration.line, f"the {declaration.kind} `{declaration.name}` is not used")
        for module in file.of("module"):
            modules(found, files, file, module)
        for node in walk(file.root):
            outputs(found, files, file, node)
    return found, f"{count} references"


def first_name(declaration):
    return next(n for n in declaration.node.named_children if n.type == "identifier").start_point


def in_loop(node, scopes, name):
    while node is not None:
        if name in scopes.get(node.id, ()):
            return True
        node = node.parent
    return False


def modules(found, files, file, module):
    target = target_of(files, file, module)
    if target is None:
        found.add(file, module.line, f"there is no {module.about}")
        return
    wanted = {d.name: d for d in target.of("param")}
    params = get(module.body, "params")
    given = {name: (value, entry) for name, value, entry in properties(params)} if params is not None else {}
    for name, (value, entry) in given.items():
        if name not in wanted:
            found.add(file, entry, f"{module.about} has no param `{name}`")
        else:
            kind = {"string": "string", "number": "int", "boolean": "bool", "array": "array", "object": "object"}.get(value.type)
            own = file.find(text(value), "param") if value.type == "identifier" else None
            kind = own.type if own else kind
            if kind and kind != wanted[name].type:
                found.add(file, entry, f"`{name}` is {kind}, but {module.about} takes {wanted[name].type}")
    for name, param in wanted.items():
        if param.value is None and name not in given:
            found.add(file, module.line, f"the param `{name}` of {module.about} is missing")


def target_of(files, file, module):
    folder = Path(next(path for path, f in files.items() if f is file)).parent
    return files.get(str(folder / module.about))


def outputs(found, files, file, node):
    """`module.outputs.name` exists."""
    if node.type != "member_expression":
        return
    parts = text(node).replace("!", "").split(".")
    if len(parts) != 3 or parts[1] != "outputs":
        return
    module = file.find(parts[0], "module")
    target = module and target_of(files, file, module)
    if target and not target.find(parts[2], "output"):
        found.add(file, node, f"{module.about} has no output `{parts[2]}`")


def parameters(files, root):
    """Params and outputs are described; params that hold secrets are @secure and have no default; nothing rotates."""
    found = Findings()
    count = 0
    for file in templates(files):
        for declaration in file.of("param", "output"):
            count += 1
            described = declaration.decorators.get("description")
            if described is None or not literal_argument(described):
                found.add(file, declaration.line, f"the {declaration.kind} `{declaration.name}` is not described")
        for param in file.of("param"):
            secure = "secure" in param.decorators
            if SECRET_NAME.search(param.name) and param.name not in NOT_SECRET and not secure:
                found.add(file, param.line, f"the param `{param.name}` looks like a secret and is not @secure")
            if secure and param.value is not None and literal(param.value) != "":
                found.add(file, param.line, f"the secure param `{param.name}` has a default")
        for called, node in calls(file.root):
            if called in ROTATING:
                found.add(file, node, f"{called}() is new with each deployment, which then changes something each time")
    main = files.get("main.bicep")
    declared = {d.name: d for d in main.of("param")}
    for file in files.values():
        if file.path.suffix != ".bicepparam":
            continue
        given = {d.name: d for d in file.of("var")}
        for name, value in given.items():
            if name not in declared:
                found.add(file, value.line, f"main.bicep has no param `{name}`")
            elif "secure" in declared[name].decorators and literal(value.value):
                found.add(file, value.line, f"`{name}` is a secret, and stands here in clear")
        for name, param in declared.items():
            if param.value is None and name not in given:
                found.add(file, 1, f"the param `{name}` is missing")
    readme = root / "infra/README.md"
    tables = table_names(readme)
    for heading, kind in (("Parameters", "param"), ("Outputs", "output")):
        wanted = {d.name for d in main.of(kind)}
        listed = tables.get(heading, {})
        for name in sorted(wanted - listed.keys()):
            found.add(main, main.find(name, kind).line, f"infra/README.md does not list the {kind} `{name}`")
        for name in sorted(listed.keys() - wanted):
            found.add("infra/README.md", listed[name], f"main.bicep has no {kind} `{name}`")
    return found, f"{count} params and outputs"


def literal_argument(call):
    arguments = first(call, "arguments")
    return arguments is not None and arguments.named_children and (literal(arguments.named_children[0]) or "").strip()


def table_names(page):
    """Names in code font in the first column of the tables below each heading, with their lines."""
    found, heading = {}, ""
    for number, row in enumerate(page.read_text().splitlines(), 1):
        if row.startswith("#"):
            heading = row.strip("# ")
        elif row.startswith("| `"):
            for name in re.findall(r"`(\w+)`", row.split("|")[1]):
                found.setdefault(heading, {})[name] = number
    return found


def secrets(files, root):
    """No secret in an output, a var, a plain environment variable, or a module's param that is not @secure."""
    found = Findings()
    count = 0
    for file in templates(files):
        secure = {p.name for p in file.of("param") if "secure" in p.decorators}

        def leaks(node):
            """What a value tells of a secret; `empty(secret)` tells nothing."""
            for inner in identifiers(node):
                if text(inner) in secure and not within(inner, node, "empty"):
                    return f"the secret `{text(inner)}`"
            for called, inner in calls(node):
                if LIST_CALL.match(called):
                    return f"what {called}() gives"
            return None

        for output in file.of("output"):
            count += 1
            leak = leaks(output.value)
            if leak or "secure" in output.decorators:
                found.add(file, output.line, f"the output `{output.name}` holds {leak or 'a secret'}")
        for var in file.of("var"):
            leak = leaks(var.value)
            if leak:
                found.add(file, var.line, f"the var `{var.name}` holds {leak}, and where it goes is not looked into")
        for resource in file.of("resource"):
            for node in walk(resource.body):
                if node.type == "object" and get(node, "name") is not None and get(node, "value") is not None:
                    leak = leaks(get(node, "value"))
                    if leak:
                        found.add(file, node, f"an environment variable shows {leak}: use secureValue")
                if node.type == "object_property" and text(children(node)[0]) in ("tags", "name", "description", "metadata", "command"):
                    leak = leaks(children(node)[-1])
                    if leak:
                        found.add(file, node, f"`{text(children(node)[0])}` shows {leak}")
        for module in file.of("module"):
            target = target_of(files, file, module)
            params = get(module.body, "params")
            for name, value, entry in properties(params) if target and params is not None else []:
                count += 1
                param = target.find(name, "param")
                leak = leaks(value)
                if leak and param and "secure" not in param.decorators:
                    found.add(file, entry, f"{leak} goes to the param `{name}` of {module.about}, which is not @secure")
    return found, f"{count} outputs and arguments"


def within(node, top, function):
    while node is not None and node != top.parent:
        if node.type == "call_expression" and text(node.named_children[0]) == function:
            return True
        node = node.parent
    return False


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
