"""Params and outputs: described, listed, and no way out for a secret."""

import re

from bicep import calls, children, first, get, identifiers, literal, properties, text, walk
from compiler import target_of
from findings import Findings, templates

# Would give each deployment something new.
ROTATING = {"newGuid", "utcNow"}
SECRET_NAME = re.compile(r"password|secret|connectionstring|accountkey|certificate|webhook|token|key$", re.I)
# Names that look like a secret's and are none.
NOT_SECRET = {"producerConnectionString", "stateSharedKey", "sharedKey", "notifyWebhook"}
LIST_CALL = re.compile(r"^(list[A-Z]\w*|list|getSecret)$")


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
