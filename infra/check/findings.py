"""What the checks find, and what they look at."""

from pathlib import Path

from bicep import File, line


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
