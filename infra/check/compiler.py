"""The Bicep compiler: what it says of the templates, and snapshots of what they would make."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

# infra/snapshots/NAME.json is what infra/FILE.bicepparam with these parameters makes: between them, everything there is.
SNAPSHOTS = {
    "dev": ("dev", "source='https://github.com/YOU/deltawave.git#main' demo=true live=true lake=true dnsLabel='shop-sql' applicationInsights=true "
                   "producers={principalIds:['11111111-1111-1111-1111-111111111111']}"),
    "prod": ("prod", "image='ghcr.io/you/deltawave:1.0.0'"),
    "aks": ("prod", "engine='aks' live=true lake=true"),
}
NOBODY = "00000000-0000-0000-0000-000000000000"
PLACE = ["--subscription-id", NOBODY, "--tenant-id", NOBODY, "--resource-group", "shop", "--location", "westeurope", "--deployment-name", "main"]


def bicep(*arguments):
    return subprocess.run([os.environ["BICEP"], *map(str, arguments)], capture_output=True, text=True)


def said(run, root):
    """What it complains of, each once, with paths from the root."""
    return sorted({re.sub(r"^\S*/infra/", "infra/", line.replace(f"{root}/", "")) for line in run.stderr.splitlines() if line.strip()})


def files(root):
    return [path for path in sorted((root / "infra").rglob("*.bicep*")) if path.suffix in (".bicep", ".bicepparam")]


def build(root):
    """It compiles, without a warning."""
    with tempfile.TemporaryDirectory() as folder:
        for pattern in ("infra/*.bicep", "infra/modules/*.bicep"):
            yield from said(bicep("build", "--pattern", root / pattern, "--outdir", folder), root)


def lint(root):
    """No rule of bicepconfig.json is broken."""
    yield from said(bicep("lint", root / "infra/main.bicep"), root)


def formatted(root):
    """Formats all files in place."""
    for pattern in ("infra/*.bicep", "infra/*.bicepparam", "infra/modules/*.bicep"):
        bicep("format", "--pattern", root / pattern)


def layout(root):
    """Files are formatted as the compiler formats them."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        shutil.copytree(root / "infra", copy / "infra", ignore=shutil.ignore_patterns("check", "snapshots"))
        formatted(copy)
        for path in files(root):
            if (copy / path.relative_to(root)).read_text() != path.read_text():
                yield f"{path.relative_to(root)}: not as `bicep format` has it; infra/check/run.sh --write mends it"


def parameters(root):
    """Parameter files compile."""
    for path in sorted((root / "infra").glob("*.bicepparam")):
        yield from said(bicep("build-params", path, "--stdout"), root)


def snapshot(root, name, mode):
    """Runs the compiler's snapshot beside a copy of the parameter file; gives its run and the snapshot's text."""
    file, extra = SNAPSHOTS[name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "infra"
        shutil.copytree(root / "infra", copy, ignore=shutil.ignore_patterns("check", "snapshots"))
        kept = root / f"infra/snapshots/{name}.json"
        given = copy / f"{name}.bicepparam"
        source = (copy / f"{file}.bicepparam").read_text()
        given.write_text(source + "".join(f"\nparam {each}" for each in extra.split()) + "\n")
        target = copy / f"{name}.snapshot.json"
        if mode == "validate" and kept.exists():
            shutil.copy(kept, target)
        run = bicep("snapshot", given, "--mode", mode, *PLACE)
        return run, target.read_text() if target.exists() else ""


def snapshots(root):
    """The snapshots are what the templates make."""
    for name in SNAPSHOTS:
        run, text = snapshot(root, name, "validate")
        if run.returncode:
            shown = re.sub(r"\x1b\[[\d;]*m", "", run.stdout + run.stderr).strip()
            what = "it is missing" if not text else shown[:2000]
            yield f"infra/snapshots/{name}.json: not what the templates make: {what}\n  infra/check/run.sh --write writes it anew; look at what changed"


def write(root, names=SNAPSHOTS):
    """Writes the snapshots; outputs in the order of their names, since the compiler's differs from run to run."""
    for name in names:
        run, text = snapshot(root, name, "overwrite")
        if run.returncode or not text:
            raise SystemExit(run.stderr or f"no snapshot of {name}")
        made = json.loads(text)
        made["outputs"] = dict(sorted(made["outputs"].items()))
        path = root / f"infra/snapshots/{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def template(root):
    """The compiled main.bicep."""
    return json.loads(bicep("build", root / "infra/main.bicep", "--stdout").stdout)
