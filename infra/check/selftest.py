"""Shows that each check fails on a mistake: plants one after the other in a copy of the checkout, and looks.

A mistake in the templates is planted in the templates, and the snapshots that it shows in are made anew from them.
"""

import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import check
import compiler

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ["infra", "docs/security.md", "docs/settings.md", "src"]

HUB = "infra/modules/hub.bicep"
GROUP = "infra/modules/group.bicep"
FILES = "infra/modules/files.bicep"
ALERTS = "infra/modules/alerts.bicep"
TYPES = "infra/modules/types.bicep"
MAIN = "infra/main.bicep"
DOCS = "docs/security.md"

# check, file, what stands there, the mistake, what must be said, snapshots to make anew
MISTAKES = [
    ("build", HUB, "kafkaEnabled: true", "kafkaEnabled: 'true'", f"{HUB}(", ""),
    ("build", HUB, "partitionCount: stream.partitions", "partitionsCount: stream.partitions", "partitionsCount", ""),
    ("lint", MAIN, "targetScope =", "var spare = 1\ntargetScope =", "no-unused-vars", ""),
    ("format", GROUP, "  command: ['producer']".strip(), "command:  ['producer']", f"{GROUP}: not as", ""),
    ("parameters", "infra/prod.bicepparam", "partitions: 8", "partition: 8", "infra/prod.bicepparam(", ""),
    ("snapshots", TYPES, "retentionHours: 72", "retentionHours: 73", "infra/snapshots/dev.json", ""),
    ("roles", DOCS, "| `loader` | Storage Blob Data Reader |", "| `loader` | Storage Blob Data Contributor |", "there is no such role assignment", ""),
    ("roles", DOCS, "| `guard` | Key Vault Secrets User | `secrets/risingwave-root-password`", "| `guard` |", "not in the table: | `guard` | Key Vault Secrets User | `secrets/risingwave-root-password`", ""),
    ("roles", FILES, "  scope: container\n", "  scope: account\n", "`loader` | Storage Blob Data Reader | `storageAccounts/files` | dev |", "dev"),
    ("roles", FILES, "right(loader.principalId, 'Storage Blob Data Reader'", "right(loader.principalId, 'Storage Blob Data Contributor'", "`loader` | Storage Blob Data Contributor | `containers/capture` | dev |", "dev"),
    ("name-format", HUB, "{Namespace}/{EventHub}/{PartitionId}/{Year}", "{Namespace}/{EventHub}/{Year}/{PartitionId}", "the loader's default", "dev"),
    ("name-format", "src/capture/name.rs", '.join("/")', '.join("-")', "the loader's default", ""),
    ("sql", GROUP, "'127.0.0.1:${sqlPort}'\n", "'0.0.0.0:${sqlPort}'\n", "must listen on 127.0.0.1", "dev"),
    ("sql", GROUP, "name: 'RW_BACKEND'", "name: 'RW_LISTEN_ADDR'", "use --listen-addr", "dev"),
    ("sql", GROUP, "        { name: 'DELTAWAVE_TLS_CERTIFICATE', value: 'keyvault:sql' }\n", "", "listens for SQL without a certificate", "dev"),
    ("sql", GROUP, "ports.open ? [ports.front] : []", "ports.open ? [sqlPort] : []", "names the port 4567", "dev"),
    ("sql", GROUP, "              ports: open(guardPorts)\n              dns", "              ports: open([8081])\n              dns", "address opens [8081]", "dev"),
    ("variables", GROUP, "name: 'DELTAWAVE_BLOB'", "name: 'DELTAWAVE_BLOBS'", "no program reads DELTAWAVE_BLOBS", "prod"),
    ("variables", GROUP, "name: 'DELTAWAVE_LISTEN'", "name: 'DELTAWAVE_SHARD'", "`deltawave guard` does not read DELTAWAVE_SHARD", "prod"),
    ("variables", GROUP, "secureValue: metadataPassword", "value: metadataPassword", "RW_SQL_PASSWORD shows a secret", "prod"),
    ("variables", "docs/settings.md", "| `DELTAWAVE_NOTIFICATIONS` | loader,", "| `DELTAWAVE_NOTIFICATIONS` | capture,", "`loader` does not read DELTAWAVE_NOTIFICATIONS", ""),
    ("words", ALERTS, 'Line has "file loaded"', 'Line has "file was loaded"', "has 'file was loaded'", "prod"),
    ("words", ALERTS, 'has "loader" and (Line', 'has "loading" and (Line', "no container 'loading'", "prod"),
    ("readme", "infra/README.md", "`retentionHours` | `72`", "`retentionHours` | `73`", "infra/README.md: its table", ""),
    ("policies", HUB, "minimumTlsVersion: '1.2'", "minimumTlsVersion: '1.0'", "CKV_AZURE_223", "dev"),
    ("policies", "infra/check/allowed.txt", "CKV_AZURE_8 aks", "CKV_AZURE_9 aks", "CKV_AZURE_8 `managedClusters/aks`", ""),
]


def trial(mistake):
    """What is wrong with the check, if it does not see the mistake."""
    name, file, right, wrong, says, snapshots = mistake
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for part in NEEDED:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            (root / part).parent.mkdir(parents=True, exist_ok=True)
            copy(ROOT / part, root / part)
        text = (root / file).read_text()
        if right not in text:
            return f"{name}: {file} has no {right!r} to replace: the self-test is out of date"
        (root / file).write_text(text.replace(right, wrong, 1))
        compiler.write(root, snapshots.split())
        found = "\n".join(check.CHECKS[name](root))
    if says not in found:
        return f"{name}: {right.strip()!r} → {wrong.strip()!r} in {file}: must be found with {says!r}; found: {found or 'nothing'}"
    return None


def main():
    began = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        missed = [fault for fault in pool.map(trial, MISTAKES) if fault]
    missed += [f"no mistake is planted for {name}" for name in check.CHECKS if name not in {mistake[0] for mistake in MISTAKES}]
    print(*missed, sep="\n", end="\n" if missed else "")
    seconds = time.monotonic() - began
    print(f"self-test: {len(MISTAKES)} mistakes planted for {len(check.CHECKS)} checks, {len(missed)} missed ({seconds:.0f} s)")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
