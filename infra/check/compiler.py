"""What the Bicep compiler would say of names, and whether it would take the files at all."""

from pathlib import Path

from bicep import calls, children, get, identifiers, properties, text, walk
from findings import Findings, templates

FUNCTIONS = set(
    "any array base64 newGuid utcNow bool concat contains empty environment first format guid int join json last length list max min "
    "range readEnvironmentVariable replace resourceGroup resourceId split startsWith string subscription "
    "subscriptionResourceId substring take toLower toUpper trim union uniqueString".split()
)


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
                if function.type == "identifier" and called not in FUNCTIONS:
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
