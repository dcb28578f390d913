"""Each resource against types.json: its type, API version, properties, required ones, values of enumerations."""

import json
from pathlib import Path

from bicep import children, first, get, literal, properties, text
from findings import Findings, templates

TABLE = json.loads((Path(__file__).parent / "types.json").read_text())

# What each resource may have beside the properties of its type.
GENERIC = {"parent": "any", "scope": "any", "dependsOn": ["any"]}
LITERALS = {"string": "string", "number": "int", "boolean": "bool"}


def check(files, root):
    found = Findings()
    count = 0
    for file in templates(files):
        for resource in file.of("resource"):
            count += 1
            type_name, _, version = (resource.about or "").partition("@")
            entry = TABLE["types"].get(type_name)
            if entry is None:
                found.add(file, resource.line, f"the resource type {type_name} is not in infra/check/types.json")
                continue
            if version != entry["api"]:
                found.add(file, resource.line, f"{type_name} has the API version {version}, infra/check/types.json has {entry['api']}")
            parent(found, file, resource, type_name)
            if resource.existing:
                for name, _, node in properties(resource.body):
                    if name not in ("name", "parent", "scope"):
                        found.add(file, node, f"an existing resource has no `{name}`")
                continue
            Shape(found, file).check(resource.body, {**entry["is"], **GENERIC}, resource.name)
    return found, f"{count} resources"


def parent(found, file, resource, type_name):
    """A child names its parent, and it is of the right type."""
    value = get(resource.body, "parent")
    above = type_name.rpartition("/")[0]
    if above.count("/") == 0:
        if value is not None:
            found.add(file, value, f"{type_name} has no parent")
        return
    if value is None:
        found.add(file, resource.line, f"`{resource.name}` lacks its parent, a {above}")
        return
    symbol = text(value).split("[")[0]
    declared = file.find(symbol, "resource")
    if declared is None or declared.about.partition("@")[0] != above:
        found.add(file, value, f"the parent of `{resource.name}` must be a {above}, not `{symbol}`")


class Shape:
    """Walks an expression beside the description of what it must be."""

    def __init__(self, found, file):
        self.found, self.file = found, file

    def check(self, node, shape, where, whole=True):
        kind = node.type
        if kind == "parenthesized_expression":
            return self.check(children(node)[0], shape, where, whole)
        if kind == "ternary_expression":
            for branch in children(node)[1:]:
                self.check(branch, shape, where, whole)
            return None
        if kind == "for_statement":
            return self.check(children(node)[-1], shape[0], where) if isinstance(shape, list) else self.wrong(node, shape, where, "array")
        if kind == "call_expression":
            return self.call(node, shape, where)
        if kind == "identifier":
            return self.identifier(node, shape, where, whole)
        if kind == "member_expression":
            return self.member(node, shape, where)
        if kind == "object":
            return self.object(node, shape, where, whole)
        if kind == "array":
            if not isinstance(shape, list):
                return self.wrong(node, shape, where, "array")
            for item in children(node):
                self.check(item, shape[0], where)
            return None
        if kind in LITERALS:
            return self.literal(node, shape, where)
        return None  # null, operators and accesses: nothing is known of their value

    def object(self, node, shape, where, whole):
        if shape == "any":
            return
        if not isinstance(shape, dict):
            self.wrong(node, shape, where, "object")
            return
        if "*" in shape:
            for name, value, _ in properties(node):
                self.check(value, shape["*"], f"{where}.{name}")
            return
        allowed = {name.rstrip("!"): inner for name, inner in shape.items()}
        given = set()
        for name, value, entry in properties(node):
            given.add(name)
            if name not in allowed:
                self.found.add(self.file, entry, f"`{where}` has no property `{name}`")
            else:
                self.check(value, allowed[name], f"{where}.{name}")
        for name in shape:
            if whole and name.endswith("!") and name[:-1] not in given:
                self.found.add(self.file, node, f"`{where}` lacks the required property `{name[:-1]}`")

    def literal(self, node, shape, where):
        kind = LITERALS[node.type]
        if shape == "any" or shape == kind:
            return
        if isinstance(shape, str) and shape.startswith("'") and kind == "string":
            values = [value.strip("'") for value in shape.split("|")]
            if first(node, "interpolation") is None and literal(node) not in values:
                self.found.add(self.file, node, f"`{where}` is {text(node)}, which is none of {', '.join(values)}")
            return
        self.wrong(node, shape, where, kind)

    def call(self, node, shape, where):
        name = text(node.named_children[0])
        arguments = children(first(node, "arguments"))
        if name == "union":
            for argument in arguments:
                self.check(argument, shape, where, whole=False)
        elif name == "concat" and isinstance(shape, list):
            for argument in arguments:
                self.check(argument, shape, where)

    def identifier(self, node, shape, where, whole):
        var = self.file.find(text(node), "var")
        param = self.file.find(text(node), "param")
        if var is not None:
            self.check(var.value, shape, where, whole)
        elif param is not None:
            wanted = "array" if isinstance(shape, list) else "object" if isinstance(shape, dict) else "string" if shape.startswith("'") else shape
            if wanted not in ("any", param.type):
                self.found.add(self.file, node, f"`{where}` is {wanted}, and the param `{text(node)}` is {param.type}")

    def member(self, node, shape, where):
        """`each.name` where `each` runs over a list that stands in a var."""
        if node.named_children[0].type != "identifier":
            return
        name, loop = text(node.named_children[0]), node.parent
        while loop is not None and not (loop.type == "for_statement" and text(children(loop)[0]) == name):
            loop = loop.parent
        var = loop and self.file.find(text(children(loop)[1]), "var")
        if var and var.value.type == "array":
            for item in children(var.value):
                value = get(item, text(node.named_children[1]))
                if value is None:
                    self.found.add(self.file, item, f"`{var.name}` lacks `{text(node.named_children[1])}` for `{where}`")
                else:
                    self.check(value, shape, where)

    def wrong(self, node, shape, where, kind):
        if shape == "any":
            return
        wanted = "an array" if isinstance(shape, list) else "an object" if isinstance(shape, dict) else shape
        self.found.add(self.file, node, f"`{where}` is {wanted}, not {kind}")
