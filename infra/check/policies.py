"""checkov's policies. It ends with 0 on files that it cannot parse and on policies that crash, so its words are read."""

import json
import re
import subprocess
import sys
from pathlib import Path

from findings import Findings, templates


def allowed(root):
    """(policy, file, resource) → (line, reason)."""
    entries = {}
    for number, row in enumerate((root / "infra/check/allowed.txt").read_text().splitlines(), 1):
        if row.strip() and not row.startswith("#"):
            policy, file, resource, reason = row.split(None, 3)
            entries[policy, file, resource] = (number, reason)
    return entries


def check(files, root):
    found = Findings()
    checkov = Path(sys.executable).parent / "checkov"
    command = [checkov, "-d", "infra", "--framework", "bicep", "--skip-download", "--compact", "--output", "json"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    try:
        report = json.loads(run.stdout)
    except json.JSONDecodeError:
        found.add("infra", 1, f"checkov gave no report: {(run.stderr or run.stdout).strip()[-300:]}")
        return found, "nothing"
    results = report.get("results", {})
    for path in results.get("parsing_errors", []):
        found.add("infra/" + str(path).split("/infra/")[-1].lstrip("/"), 1, "checkov cannot parse this file and did not look at it")
    if report.get("summary", {}).get("parsing_errors", 1) and not results.get("parsing_errors"):
        found.add("infra", 1, "checkov cannot parse some file")
    seen = {r["file_path"] for kind in ("passed_checks", "failed_checks") for r in results.get(kind, [])}
    entries = allowed(root)
    unused = dict(entries)
    skipped = 0
    failures = [
        (f["check_id"], f["file_path"].lstrip("/"), f["resource"].rsplit(".", 1)[-1], f["file_line_range"][0], f["check_name"])
        for f in results.get("failed_checks", [])
    ]
    crashes = re.findall(r"Failed to run check (\S+) on (\S+?):\S+\.(\w+)", run.stderr)
    failures += [(id, path.split("infra/")[-1], resource, 1, "checkov crashed") for id, path, resource in crashes]
    for policy, path, resource, at, what in failures:
        if (policy, path, resource) in entries:
            unused.pop((policy, path, resource), None)
            skipped += 1
        else:
            found.add(f"infra/{path}", at, f"{policy} `{resource}`: {what}")
    for (policy, path, resource), (number, _) in unused.items():
        found.add("infra/check/allowed.txt", number, f"{policy} does not fail for `{resource}` in {path} any more")
    passed = len(results.get("passed_checks", []))
    return found, f"{passed} passed in {len(seen)} of {len(templates(files))} files, {skipped} allowed with a reason"
