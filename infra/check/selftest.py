"""Shows that each check fails on a mistake, naming the file and line: plants one in a copy of the checkout, and looks."""

import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import check

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ["infra", "docs/security.md", "docs/settings.md", "src/capture/name.rs", "src/loader"]


@dataclass
class Mistake:
    """What is replaced in which file, which check must say so, where (a line that holds this text) and how."""

    check: str
    file: str
    old: str
    new: str
    says: str
    at: str = None
    elsewhere: str = None


HUB = "infra/modules/hub.bicep"
GROUP = "infra/modules/group.bicep"
VAULT = "infra/modules/vault.bicep"
FILES = "infra/modules/files.bicep"
NETWORK = "infra/modules/network.bicep"
ALERTS = "infra/modules/alerts.bicep"
STATE = "infra/modules/state.bicep"
MAIN = "infra/main.bicep"
DOCS = "docs/security.md"

MISTAKES = [
    # syntax
    Mistake("syntax", HUB, "kafkaEnabled: true", "kafkaEnabled = true", "not Bicep"),
    Mistake("syntax", FILES, "param protect bool", "param protect bool?", "checkov cannot parse"),
    Mistake("syntax", "infra/dev.bicepparam", "param containerRegistry = true", "param containerRegistry true", "not Bicep"),
    # names
    Mistake("names", HUB, "retentionTimeInHours: retentionHours", "retentionTimeInHours: retentionHour", "`retentionHour` is not declared"),
    Mistake("names", HUB, "retentionTimeInHours: retentionHours", "retentionTimeInHours: 72", "the param `retentionHours` is not used", at="param retentionHours"),
    Mistake("names", HUB, "var archiveNameFormat", "var spare = 1\nvar archiveNameFormat", "the var `spare` is not used", at="var spare"),
    Mistake("names", MAIN, "    retentionHours: retentionHours\n", "", "the param `retentionHours` of modules/hub.bicep is missing", at="module hub "),
    Mistake("names", MAIN, "    retentionHours: retentionHours\n", "    retentionHours: retentionHours\n    hours: 3\n", "has no param `hours`", at="hours: 3"),
    Mistake("names", MAIN, "    retentionHours: retentionHours", "    retentionHours: table", "`retentionHours` is string", at="retentionHours: table"),
    Mistake("names", MAIN, "hub.outputs.kafkaBootstrap", "hub.outputs.kafkaBroker", "has no output `kafkaBroker`"),
    Mistake("names", MAIN, "'modules/hub.bicep'", "'modules/hubs.bicep'", "there is no modules/hubs.bicep"),
    Mistake("names", MAIN, "uniqueString(", "uniqString(", "`uniqString` is not among those known"),
    # resources
    Mistake("resources", HUB, "intervalInSeconds: capt", "intervalInSecond: capt", "has no property `intervalInSecond`"),
    Mistake("resources", HUB, "namespaces@2026-01-01' = {", "namespaces@2026-11-01' = {", "has the API version 2026-11-01"),
    Mistake("resources", HUB, "Microsoft.EventHub/namespaces@2026-01-01' = {", "Microsoft.EventHubs/namespaces@2026-01-01' = {", "is not in infra/check/types.json"),
    Mistake("resources", HUB, "    minimumTlsVersion: '1.2'\n", "", "lacks the required property `minimumTlsVersion`", at="    kafkaEnabled: true", elsewhere="properties of the namespace"),
    Mistake("resources", HUB, "encoding: 'Avro'", "encoding: 'AvroDeflate'", "is 'AvroDeflate', which is none of Avro"),
    Mistake("resources", HUB, "        'Send'".strip(), "'Manage'", "is 'Manage', which is none of Send"),
    Mistake("resources", HUB, "kafkaEnabled: true", "kafkaEnabled: 'true'", "is bool, not string"),
    Mistake("resources", HUB, "retentionTimeInHours: retentionHours", "retentionTimeInHours: eventHubName", "is int, and the param `eventHubName` is string"),
    Mistake("resources", HUB, "  parent: namespace\n  name: eventHubName", "  parent: captureAccount\n  name: eventHubName", "the parent of `eventHub` must be a Microsoft.EventHub/namespaces", at="parent: captureAccount"),
    Mistake("resources", HUB, "  parent: namespace\n  name: eventHubName", "  name: eventHubName", "`eventHub` lacks its parent", at="resource eventHub "),
    Mistake("resources", FILES, "publicNetworkAccess: 'Enabled'", "publicNetworkAccess: protect ? 'Enabled' : 'Closed'", "is 'Closed', which is none of"),
    Mistake("resources", FILES, "tierToCool:", "tierToCold:", "has no property `tierToCold`"),
    Mistake("resources", NETWORK, "access: 'Deny'", "access: 'Refuse'", "is 'Refuse', which is none of Allow, Deny"),
    Mistake("resources", ALERTS, "aggregation: 'Maximum'", "aggregation: 'Max'", "is 'Max', which is none of"),
    Mistake("resources", ALERTS, "metric: 'CaptureBacklog'", "metric: 'CaptureBacklogs'", "is 'CaptureBacklogs', which is none of"),
    Mistake("resources", GROUP, "scheme: 'http'", "scheme: 'HTTPS'", "is 'HTTPS', which is none of"),
    # parameters
    Mistake("parameters", HUB, "@description('Name of the event hub.')\n", "", "the param `eventHubName` is not described", at="param eventHubName"),
    Mistake("parameters", HUB, "@description('Name of the event hub.')\noutput", "output", "the output `eventHubName` is not described", at="output eventHubName"),
    Mistake("parameters", VAULT, "@secure()\nparam rootPassword", "param rootPassword", "`rootPassword` looks like a secret and is not @secure", at="param rootPassword"),
    Mistake("parameters", MAIN, "param tlsKey string = ''", "param tlsKey string = 'hunter2'", "the secure param `tlsKey` has a default"),
    Mistake("parameters", MAIN, "param rootPassword string", "param rootPassword string = newGuid()", "newGuid() is new with each deployment", at="newGuid"),
    Mistake("parameters", "infra/dev.bicepparam", "param containerRegistry =", "param registry =", "main.bicep has no param `registry`"),
    Mistake("parameters", "infra/dev.bicepparam", "readEnvironmentVariable('DELTAWAVE_ROOT_PASSWORD')", "'hunter2hunter2hunter2hunter2'", "stands here in clear"),
    Mistake("parameters", "infra/prod.bicepparam", "param rootPassword = readEnvironmentVariable('DELTAWAVE_ROOT_PASSWORD')\n", "", "the param `rootPassword` is missing", at="// For production"),
    Mistake("parameters", "infra/README.md", "`lagMinutes`, ", "", "infra/README.md does not list the param `lagMinutes`", at="param lagMinutes", elsewhere=MAIN),
    Mistake("parameters", "infra/README.md", "| `clusterName` |", "| `cluster` |", "main.bicep has no output `cluster`", at="| `cluster` |"),
    # secrets
    Mistake("secrets", STATE, "output accountName string = account.name", "output accountName string = account.listKeys().keys[0].value", "the output `accountName` holds what listKeys() gives"),
    Mistake("secrets", MAIN, "output databaseUser string = database.outputs.user", "output databaseUser string = 'risingwave:${metadataPassword}'", "holds the secret `metadataPassword`"),
    Mistake("secrets", GROUP, "secureValue: metadataPassword", "value: metadataPassword", "shows the secret `metadataPassword`", at="value: metadataPassword", elsewhere="the object around it"),
    Mistake("secrets", GROUP, "@secure()\nparam metadataPassword", "param metadataPassword", "goes to the param `metadataPassword` of modules/group.bicep, which is not @secure", at="    metadataPassword: metadataPassword\n    tls", elsewhere=MAIN),
    Mistake("secrets", GROUP, "var inVnet =", "var copy = tlsKey\nvar inVnet =", "the var `copy` holds the secret `tlsKey`", at="var copy"),
    # roles
    Mistake("roles", DOCS, "| `loader` | Storage Blob Data Reader |", "| `loader` | Storage Blob Data Contributor |", "role is Storage Blob Data Contributor here and Storage Blob Data Reader in"),
    Mistake("roles", DOCS, "| `guard` | Key Vault Secrets User | `rootPasswordSecret` |", "guard reads root's password: | `rootPasswordSecret` |", "docs/security.md lacks the role assignment `modules/vault.bicep` `guardReadsRootPassword`", at="resource guardReadsRootPassword", elsewhere=VAULT),
    Mistake("roles", FILES, "resource loaderSetsAside", "resource loaderSetsApart", "there is no role assignment `modules/files.bicep` `loaderSetsAside`", at="`loaderSetsAside`", elsewhere=DOCS),
    Mistake("roles", FILES, "  scope: captureContainer", "  scope: account", "on is `captureContainer` here and `account` in", at="`loaderReadsFiles`", elsewhere=DOCS),
    Mistake("roles", FILES, "'2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'", "'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'", "is none of the roles that the checks know", at="roleDefinitionId: blobDataReader"),
    Mistake("roles", FILES, "name: guid(captureContainer.id, loaderPrincipalId, blobDataReader)", "name: 'loader-reads'", "the name of a role assignment is guid("),
    # name format
    Mistake("name-format", HUB, "{Namespace}/{EventHub}/{PartitionId}/{Year}", "{Namespace}/{EventHub}/{Year}/{PartitionId}", "the loader's default", at="var archiveNameFormat"),
    Mistake("name-format", "src/capture/name.rs", '.join("/")', '.join("-")', "the loader's default", at="var archiveNameFormat", elsewhere=HUB),
    # order
    Mistake("order", HUB, "  dependsOn: [\n    captureWritesFiles\n  ]\n", "", "`eventHub` must have `captureWritesFiles`", at="resource eventHub "),
    # first boot
    Mistake("first-boot", GROUP, "'127.0.0.1:${sqlPort}'\n            '--total", "'0.0.0.0:${sqlPort}'\n            '--total", "RisingWave must listen on 127.0.0.1", at="'--listen-addr'"),
    Mistake("first-boot", GROUP, "name: 'RW_BACKEND'", "name: 'RW_LISTEN_ADDR'", "use --listen-addr"),
    Mistake("first-boot", GROUP, "var openToPublic = publicAddress && front &&", "var openToPublic = publicAddress &&", "`openToPublic` must depend on `front`"),
    Mistake("first-boot", GROUP, "[{ port: frontPort,", "[{ port: sqlPort,", "only the guard's front and the health ports"),
    Mistake("first-boot", MAIN, "var front = !empty(tlsCertificate) && !empty(tlsKey)", "var front = true", "a certificate and its key"),
    # variables
    Mistake("variables", GROUP, "name: 'DELTAWAVE_BLOB'", "name: 'DELTAWAVE_BLOBS'", "no program reads DELTAWAVE_BLOBS"),
    Mistake("variables", GROUP, "name: 'DELTAWAVE_LISTEN'", "name: 'DELTAWAVE_SHARD'", "`deltawave guard` does not read DELTAWAVE_SHARD"),
    Mistake("variables", GROUP, "'guard'\n          ]", "'guards'\n          ]", "there is no program `deltawave guards`", at="          command: [\n            'deltawave'"),
    Mistake("variables", "docs/settings.md", "| `DELTAWAVE_NOTIFICATIONS` | loader |", "| `DELTAWAVE_NOTIFICATIONS` | capture |", "`loader` does not read DELTAWAVE_NOTIFICATIONS", at="'DELTAWAVE_NOTIFICATIONS'", elsewhere=GROUP),
    # words
    Mistake("words", "src/loader/group.rs", "but for what is in rejected_events", "but not all of it", "no message of the loader in src/loader has 'rejected_events'", at='Line has "rejected_events"', elsewhere=ALERTS),
    Mistake("words", "src/loader/group.rs", '"file quarantined"', '"bad file"', "has 'file quarantined'", at='Line has "file quarantined"', elsewhere=ALERTS),
    Mistake("words", "src/loader/patience.rs", "works again after", "is back after", "has 'works again'", at='Line has "works again"', elsewhere=ALERTS),
    Mistake("words", ALERTS, 'ContainerName has "loader" and Line has', 'ContainerName has "loading" and Line has', "has no container 'loading'"),
    # rules
    Mistake("rules", "infra/bicepconfig.json", '"no-unused-params": { "level": "error" }', '"no-unused-params": { "level": "warning" }', "no-unused-params is warning"),
    # policies
    Mistake("policies", HUB, "minimumTlsVersion: '1.2'", "minimumTlsVersion: '1.0'", "CKV_AZURE_223", at="resource namespace "),
    Mistake("policies", FILES, "param protect bool", "param protect bool?", "checkov cannot parse this file and did not look at it", at="metadata"),
    Mistake("policies", "infra/check/allowed.txt", "CKV_AZURE_8 ", "CKV_AZURE_9 ", "CKV_AZURE_8 `cluster`", at="resource cluster ", elsewhere="infra/modules/cluster.bicep"),
]


def plant(mistake, root):
    path = root / mistake.file
    source = path.read_text()
    assert mistake.old in source, f"{mistake.file} has no {mistake.old!r} to replace: the self-test is out of date"
    path.write_text(source.replace(mistake.old, mistake.new, 1))


def expected(mistake, root):
    """The file and the lines that the finding may name."""
    file = mistake.elsewhere if mistake.elsewhere and "/" in mistake.elsewhere else mistake.file
    source = (root / file).read_text()
    at = source.index(mistake.at or mistake.new)
    number = source[:at].count("\n") + 1
    # Where an object is named, it begins a line or two above what is missing in it or wrong.
    lines = {number} if not mistake.elsewhere or "/" in mistake.elsewhere else set(range(number - 2, number + 1))
    return file, lines


def main():
    began = time.monotonic()
    failed = 0
    for mistake in MISTAKES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name in NEEDED:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                copy(ROOT / name, root / name)
            plant(mistake, root)
            found = list(check.run(root, [mistake.check]))[0][3]
            file, lines = expected(mistake, root)
        pattern = re.compile(rf"{re.escape(file)}:({'|'.join(map(str, sorted(lines)))}): .*{re.escape(mistake.says)}", re.S)
        if not any(pattern.search(finding) for finding in found):
            failed += 1
            print(f"{mistake.check}: {mistake.old.strip()!r} → {mistake.new.strip()!r} in {mistake.file}")
            print(f"  must be found at {file}:{sorted(lines)} with {mistake.says!r}; found:", *(found or ["nothing"]), sep="\n    ")
    kinds = {m.check for m in MISTAKES}
    missing = set(check.CHECKS) - kinds
    if missing:
        failed += 1
        print(f"no mistake is planted for {', '.join(sorted(missing))}")
    print(f"self-test: {len(MISTAKES) - failed} of {len(MISTAKES)} planted mistakes found by {len(kinds)} checks ({time.monotonic() - began:.1f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
