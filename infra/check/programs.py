"""Where the templates lean on the programs: the variables that containers are given, and the words that alerts look for."""

import re

from bicep import children, get, identifiers, literal, properties, text, walk
from findings import Findings

SETTINGS = "docs/settings.md"

# Of Rust: a string, and what stands in a macro's parentheses beside strings, with calls inside calls.
LITERAL = r'"(?:[^"\\]|\\.)*"'
INSIDE = r'[^"()]|\((?:[^()]|\([^()]*\))*\)'


def settings(root):
    """Which program reads which variable, by docs/settings.md, which a test holds to the programs."""
    _, _, table = (root / SETTINGS).read_text().partition("\n## Which program reads which variable\n")
    rows = re.findall(r"^\| `(DELTAWAVE_\w+)` \| (.+) \|$", table, re.M)
    return {variable: {program.strip() for program in programs.split(",")} for variable, programs in rows}


def variables(files, root):
    """Containers of Deltawave's image get variables that their program reads, and none that it does not."""
    found = Findings()
    known = settings(root)
    file = files["modules/group.bicep"]
    if not known:
        found.add(SETTINGS, 1, "there is no table of variables and programs where infra/check looks for it")
    seen = 0
    for node in walk(file.root):
        value = get(node, "properties") if node.type == "object" else None
        if value is None or value.type != "object" or get(value, "image") is None or text(get(value, "image")) != "image":
            continue
        command = [literal(part) for part in children(get(value, "command"))]
        program = " ".join(command)
        if not any(program in programs for programs in known.values()):
            found.add(file, get(value, "command"), f"there is no program `{program}`")
            continue
        for name, at in given(file, get(value, "environmentVariables")):
            seen += 1
            if name not in known:
                found.add(file, at, f"no program reads {name}")
            elif not known[name] & {program, "every program"}:
                found.add(file, at, f"`{program}` does not read {name}; {', '.join(sorted(known[name]))} do")
    if not seen:
        found.add(file, 1, "there is no container of Deltawave's image")
    return found, f"{seen} variables"


def given(file, node):
    """(name, node) of the variables in an expression, those in vars that it names among them."""
    for inner in walk(node):
        if inner.type == "object" and literal(get(inner, "name")):
            yield literal(get(inner, "name")), get(inner, "name")
    for name in identifiers(node):
        var = file.find(text(name), "var")
        if var is not None and var.value.type == "array":
            yield from given(file, var.value)


def words(files, root):
    """Alerts look for words that the loader says, in a container that is called so."""
    found = Findings()
    said = [message for path in sorted((root / "src/loader").rglob("*.rs")) for message in messages(path.read_text())]
    containers = {literal(value) for node in walk(files["modules/group.bicep"].root) if node.type == "object"
                  for name, value, _ in properties(node) if name == "name" and get(node, "properties") is not None}
    file = files["modules/alerts.bicep"]
    seen = 0
    for number, line in enumerate(file.path.read_text().splitlines(), 1):
        for column, word in re.findall(r'\b(Line|ContainerName) has "([^"]+)"', line):
            seen += 1
            if column == "Line" and not any(has(message, word) for message in said):
                found.add(file, number, f"no message of the loader in src/loader has {word!r}: this alert would never see it")
            if column == "ContainerName" and word not in containers:
                found.add(file, number, f"modules/group.bicep has no container {word!r}")
    if not seen:
        found.add(file, 1, "no alert looks for words where infra/check looks for them")
    return found, f"{seen} words in {len(said)} messages"


def messages(source):
    """The literals of tracing's macros, from what is not a test."""
    source = source.partition("#[cfg(test)]")[0]
    for call in re.finditer(rf"\btracing::(?:trace|debug|info|warn|error)!\(((?:{LITERAL}|{INSIDE})*)\)", source):
        yield from (found[0][1:-1] for found in re.finditer(LITERAL, call[1]))


def has(message, word):
    """As the query language's `has`: whole words, whatever their case."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", message, re.I) is not None
