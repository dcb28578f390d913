"""The real Azure CLI up to the point where it would do something: its command table, its parser, its output.

    target/ci/azure-cli/bin/python deploy/check/cli.py ROOT     parses every `az` line of scripts, workflows and docs
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path

# Its own folder, so that nobody's login, defaults or extensions have a say.
os.environ["AZURE_CONFIG_DIR"] = tempfile.mkdtemp(prefix="az-")
os.environ["AZURE_CORE_COLLECT_TELEMETRY"] = "no"
os.environ["AZURE_EXTENSION_DIR"] = os.path.join(os.environ["AZURE_CONFIG_DIR"], "none")

from azure.cli.core import get_default_cli  # noqa: E402
from knack.util import CommandResultItem  # noqa: E402


class Refused(Exception):
    """The CLI does not take these words; its own text says why."""


class Cli:
    def __init__(self):
        self.cli = get_default_cli()

    def parse(self, words):
        """The command, and its arguments as the CLI understands them."""
        cli = self.cli
        invocation = cli.invocation_cls(cli_ctx=cli, parser_cls=cli.parser_cls, commands_loader_cls=cli.commands_loader_cls, help_cls=cli.help_cls)
        cli.invocation = invocation
        cli.data["safe_params"] = []
        said = io.StringIO()
        # What AzCliCommandInvoker.execute does before it calls the command.
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                cli.raise_event("CommandInvoker.OnPreCommandTableCreate", args=words)
                loader = invocation.commands_loader
                loader.load_command_table(words)
                command = invocation._rudimentary_get_command(words)
                invocation.data["command_string"] = command
                if command not in loader.command_table:
                    raise Refused(f"there is no command `az {' '.join(words[:4])}`")
                loader.command_table = {command: loader.command_table[command]}
                loader.command_name = command
                loader.load_arguments(command)
                cli.raise_event("CommandInvoker.OnPostCommandTableCreate", commands_loader=loader)
                invocation.parser.cli_ctx = cli
                invocation.parser.load_command_table(loader)
                cli.raise_event("CommandInvoker.OnCommandTableLoaded", cmd_tbl=loader.command_table, parser=invocation.parser)
                return command, invocation.parser.parse_args(words)
        except SystemExit:
            raise Refused(said.getvalue().strip()) from None
        except Refused:
            raise
        except Exception as error:  # its own errors, which it would print
            raise Refused(f"{said.getvalue().strip()} {error}".strip()) from None

    def print(self, parsed, answer):
        """The answer as the CLI would print it: through --query, in the form of --output."""
        query, form = parsed._jmespath_query, parsed._output_format
        item = CommandResultItem(query.search(answer) if query else answer, is_query_active=bool(query))
        return "" if item.result is None else self.cli.output.get_formatter(form)(item)


def words_of(text):
    """The words of a command that begins `text`, as bash would split them, up to its end. What stands for a value that is not known
    here (a variable, another command) becomes `x`; an array becomes nothing."""
    words, word, at = [], None, 0
    text = re.sub(r"\\\n\s*", " ", text)
    while at < len(text):
        char = text[at]
        if char in " \t":
            # Prose between two commands in one line of a message.
            if text.startswith("   ", at):
                break
            if word is not None:
                words.append(word)
            word = None
        elif char in "<>" and word is not None and word.isdigit():
            word = None
            break
        elif char in "\n|;&)<>`…" or (char == "#" and word is None) or text.startswith("\\`", at) or text.startswith("\\n", at):
            break
        elif char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                break
            word, at = (word or "") + text[at + 1:end], end
        elif char == '"':
            end = closing(text, at + 1)
            if end is None:
                break
            inner = text[at + 1:end]
            if not re.fullmatch(r"\$(\{\w+\[@\]\}|@)", inner):
                word = (word or "") + expanded(inner)
            at = end
        elif char == "$":
            piece = re.match(r"\$(\w+|\{[^}]*\})", text[at:])
            if text.startswith("$(", at):
                at = balanced(text, at + 1)
            elif piece:
                at += piece.end() - 1
            word = (word or "") + "x"
        elif char == "\\":
            at += 1
            if at < len(text):
                word = (word or "") + text[at]
        else:
            word = (word or "") + char
        at += 1
    if word is not None:
        words.append(word)
    if words:
        words[-1] = words[-1].rstrip(".,:")
    return words


def closing(text, at):
    """Where the quote ends: in the same line, or the quote was the end of what the command stands in."""
    while at < len(text) and text[at] != "\n":
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            return at
        at += 1
    return None


def balanced(text, at):
    depth = 0
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
        at += 1
    return at


def expanded(text):
    return re.sub(r"\$\([^)]*\)|\$\{[^}]*\}|\$\w+", "x", text).replace("\\`", "`").replace('\\"', '"')


LINE = re.compile(r"(?<![\w./$-])az (?=[a-z])")


def commands(root):
    """Each `az …` of the files: where it stands, its words, and whether it is whole (in a script or a block) or a mention in prose."""
    files = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("infra/*.md"), *root.glob("deploy/**/*.sh"), root / ".ci/run",
             *root.glob(".github/workflows/*.yml"), *root.glob("infra/**/*.bicep*"), *root.glob("infra/check/*.sh")]
    for path in sorted({path for path in files if path.exists()}):
        text, blocks = path.read_text(), []
        if path.suffix == ".md":
            blocks = [block.span() for block in re.finditer(r"^```.*?^```", text, re.M | re.S)]
        for found in LINE.finditer(text):
            start = text[text.rfind("\n", 0, found.start()) + 1:found.start()]
            prose = path.suffix == ".md" and not any(begin <= found.start() < end for begin, end in blocks)
            # Of prose only what is marked as code; of a comment only what is marked, or indented as an example.
            if (prose or re.match(r"\s*(#|//)( ?\S|$)", start)) and not start.endswith("`"):
                continue
            # What an extension brings is not here to be asked.
            if "(extension " in text[found.end():found.end() + 60]:
                continue
            words = words_of(text[found.end():])
            yield f"{path.relative_to(root)}:{text.count(chr(10), 0, found.start()) + 1}", words, not (prose or start.endswith("`"))
    # What programs tell people to do: whole where it is a text of its own, else in a sentence.
    for path in sorted(root.glob("src/**/*.rs")):
        text = path.read_text()
        for found in re.finditer(r'r#"az (.*?)"#|`az ([^`]*)`', text, re.S):
            words = words_of(re.sub(r"\\\n\s*", "", found[1] or found[2]))
            yield f"{path.relative_to(root)}:{text.count(chr(10), 0, found.start()) + 1}", words, bool(found[1])


def main():
    root, cli, wrong, seen = Path(sys.argv[1]).resolve(), Cli(), 0, 0
    os.chdir(os.environ["AZURE_CONFIG_DIR"])
    for place, words, whole in commands(root):
        # Which command it is only shows when it runs, as in scripts.py.
        if "x" in words[:3]:
            continue
        seen += 1
        try:
            # A certificate is a file, which the parser reads.
            if words[:3] == ["keyvault", "certificate", "import"]:
                Path(next(value for flag, value in zip(words, words[1:]) if flag in ("-f", "--file"))).touch()
            cli.parse(words)
        except Refused as error:
            # A mention may leave out what is required; what it has must be right.
            if not whole and re.search(r"the following arguments are required|are required:", str(error)):
                continue
            wrong += 1
            print(f"{place}: az {' '.join(words)}\n    {str(error).splitlines()[0] if str(error) else 'refused'}")
    print(f"az: {seen - wrong} of {seen} lines are taken by azure-cli's parser")
    sys.exit(wrong > 0 or seen == 0)


if __name__ == "__main__":
    main()
