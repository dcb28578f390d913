"""Bicep files as trees, by tree-sitter: what they declare, where, and how to walk their expressions."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter
import tree_sitter_bicep

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))

DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}


@dataclass
class Declaration:
    """A param, var, resource, module or output."""

    file: "File"
    kind: str
    name: str
    node: tree_sitter.Node
    decorators: dict = field(default_factory=dict)

    @property
    def line(self):
        return line(self.node)

    @property
    def type(self):
        """The data type of a param or output."""
        return next((text(n).strip() for n in self.node.named_children if n.type == "type"), "")

    @property
    def about(self):
        """`Type@version` of a resource, path of a module."""
        return literal(self.node.named_children[1])

    @property
    def existing(self):
        return any(text(n) == "existing" for n in self.node.children)

    @property
    def value(self):
        """What stands after the `=`; None for a param without a default."""
        children = [n for n in self.node.named_children if n.type not in ("comment", "type")]
        if self.kind == "param":
            return children[1] if len(children) > 1 else None
        return children[-1]

    @property
    def condition(self):
        """The text of `if (…)`, or None."""
        value = self.value
        if value.type != "if_statement":
            return None
        return text(first(value, "parenthesized_expression"))[1:-1]

    @property
    def body(self):
        """The object behind conditions and loops."""
        value = self.value
        while value.type in ("if_statement", "for_statement"):
            value = value.named_children[-1]
        return value

    @property
    def loop(self):
        """The `for` around the body, or None."""
        value = self.value
        if value.type == "if_statement":
            value = value.named_children[-1]
        return value if value.type == "for_statement" else None


class File:
    """One .bicep or .bicepparam file."""

    def __init__(self, path: Path, shown: str):
        self.path = path
        self.shown = shown
        source = path.read_text()
        if path.suffix == ".bicepparam":
            # The grammar knows params with a type only; a var looks the same, and every column stays where it was.
            source = re.sub(r"(?m)^param ", "var   ", source)
        self.source = source.encode()
        self.root = PARSER.parse(self.source).root_node
        self.declarations = []
        decorators = {}
        for node in self.root.named_children:
            if node.type == "decorators":
                decorators = {text(d.named_children[0].named_children[0]): d.named_children[0] for d in node.named_children
                              if d.type == "decorator"}
            elif node.type in DECLARATIONS:
                names = [n for n in node.named_children if n.type == "identifier"]
                if names:
                    self.declarations.append(Declaration(self, DECLARATIONS[node.type], text(names[0]), node, decorators))
                decorators = {}

    def of(self, *kinds):
        return [d for d in self.declarations if d.kind in kinds]

    def find(self, name, *kinds):
        return next((d for d in self.declarations if d.name == name and (not kinds or d.kind in kinds)), None)


def text(node):
    return node.text.decode()


def line(node):
    return node.start_point[0] + 1


def first(node, kind):
    return next((n for n in node.named_children if n.type == kind), None)


def literal(node):
    """The text of a string without interpolations, else None."""
    if node is None or node.type != "string" or first(node, "interpolation"):
        return None
    return text(node)[1:-1].replace("\\'", "'")


def walk(node):
    yield node
    for child in node.named_children:
        yield from walk(child)


def children(node):
    return [n for n in node.named_children if n.type != "comment"]


def properties(node):
    """(name, value, node) of an object's properties."""
    found = []
    for entry in node.named_children:
        if entry.type == "object_property":
            parts = children(entry)
            key = parts[0]
            found.append((text(key) if key.type != "string" else text(key)[1:-1], parts[-1], entry))
    return found


def get(node, name):
    """The value of an object's property, or None."""
    return next((value for key, value, _ in properties(node) if key == name), None) if node.type == "object" else None


def calls(node):
    """(name, node) of all function calls inside."""
    for inner in walk(node):
        if inner.type == "call_expression":
            called = inner.named_children[0]
            yield (text(called.named_children[-1]) if called.type == "member_expression" else text(called)), inner


def identifiers(node):
    """Identifiers that stand for a value: no property names, no function names, no keys of objects."""
    if node.type == "identifier":
        yield node
        return
    skip = None
    if node.type == "object_property" and node.named_children[0].type == "identifier":
        skip = node.named_children[0]
    elif node.type == "call_expression" and node.named_children[0].type == "identifier":
        skip = node.named_children[0]
    for child in node.named_children:
        if child != skip:
            yield from identifiers(child)
