"""Checks infra/ and docs/security.md without a cloud and without the Bicep compiler.

    infra/check/run.sh          this, in an environment of its own, and then the self-test
    check.py [ROOT] [NAME…]     all checks, or those named, of the checkout ROOT
"""

import sys
import time
from pathlib import Path

import compiler
import findings
import params
import policies
import programs
import project
import resources

CHECKS = {
    "syntax": (compiler.syntax, "every file is Bicep"),
    "names": (compiler.names, "names are declared and used, modules fit their callers"),
    "resources": (resources.check, "types, API versions, properties, enumerations"),
    "parameters": (params.parameters, "params are described, secrets @secure, infra/README.md complete"),
    "secrets": (params.secrets, "no secret comes out"),
    "roles": (project.roles, "role assignments are those of docs/security.md"),
    "name-format": (project.name_format, "Capture names files as the loader expects"),
    "order": (project.order, "rights are given before they are tried"),
    "first-boot": (project.first_boot, "no SQL port before the passwords, none without TLS"),
    "variables": (programs.variables, "containers get variables that their program reads"),
    "words": (programs.words, "alerts look for what the loader says"),
    "rules": (project.rules, "the compiler's rules are errors"),
    "policies": (policies.check, "checkov's policies"),
}


def run(root, names):
    """Findings of the checks named; nothing after syntax that fails, for the others would stumble over it."""
    files = findings.load(root)
    for name in names:
        began = time.monotonic()
        function, about = CHECKS[name]
        found, what = function(files, root)
        yield name, about, what, found, time.monotonic() - began
        if name == "syntax" and found:
            return


def main(arguments):
    root = Path(arguments[0]).resolve() if arguments else Path(__file__).resolve().parents[2]
    failed = 0
    for name, about, what, found, seconds in run(root, arguments[1:] or list(CHECKS)):
        print(f"{'FAILED' if found else 'ok':6} {name:12} {about}: {what} ({seconds:.1f} s)", flush=True)
        for finding in found:
            print(f"  {finding}")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
