"""What chart.sh asks of the RisingWave chart.

    chart.py keys VALUES VERSION COMMIT   which of our keys the chart's values.yaml has: chart-keys.txt anew
    chart.py objects FILE                 what helm made of them: right by Kubernetes' schemas, and as we mean it
"""

import re
import sys
from pathlib import Path

import kubernetes_validate
import yaml

from check import leaves, load

ROOT = Path(__file__).resolve().parents[2]


def keys(values, version, commit):
    chart = yaml.safe_load(Path(values).read_text())
    ours = set(leaves(load(ROOT / "deploy/aks/risingwave.values.yaml")[0]))
    # An escaped dot is part of a name.
    ours |= set(re.findall(r'--set(?:-string)? "([\w.\\/-]+)=', (ROOT / "deploy/aks/install.sh").read_text()))
    known, unknown = set(), []
    for key in sorted(ours):
        here, path = chart, []
        for part in re.split(r"(?<!\\)\.", key):
            if not isinstance(here, dict) or part not in here:
                # A map that the chart leaves empty takes any names.
                (known.add(".".join([*path, "*"])) if path and here in ({}, None) else unknown.append(key))
                break
            here = here[part]
            path.append(part)
        else:
            known.add(key)
    for key in unknown:
        print(f"chart {version} has no {key}", file=sys.stderr)
    head = f"""# Keys of the risingwave chart that risingwave.values.yaml and install.sh may set; `*` stands for the rest of a path.
# Made by deploy/check/chart.sh --keys from risingwavelabs/helm-charts, charts/risingwave/values.yaml at commit
# {commit}, chart {version}. Make them anew when CHART_VERSION in install.sh changes.
"""
    (ROOT / "deploy/aks/chart-keys.txt").write_text(head + "\n".join(sorted(known)) + "\n")
    print(f"chart: {len(known)} keys for {len(ours)} of ours")
    return unknown


def problems(documents):
    tag = load(ROOT / "deploy/aks/risingwave.values.yaml")[0]["image"]
    image = f"{tag['registry']}/{tag['repository']}:{tag['tag']}"
    found = {}
    for document in documents:
        name = f"{document['kind']} {document['metadata']['name']}"
        found[name] = document
        try:
            kubernetes_validate.validate(document, "1.34", strict=True)
        except Exception as error:  # its own classes differ by version
            yield f"{name}: {str(error).splitlines()[0]}"
    pods = {name: document["spec"]["template"] for name, document in found.items() if document["kind"] in ("Deployment", "StatefulSet")}
    if len(pods) != 4:
        yield f"{', '.join(pods)}: not the four of meta, compute, frontend and compactor"
    text = yaml.safe_dump_all(documents)
    for name, pod in pods.items():
        if pod["metadata"]["labels"].get("azure.workload.identity/use") != "true":
            yield f"{name}: no workload identity"
        # The federated credential names it.
        if pod["spec"].get("serviceAccountName") != "risingwave":
            yield f"{name}: runs as {pod['spec'].get('serviceAccountName')}"
        for container in pod["spec"]["containers"]:
            if container["image"] != image:
                yield f"{name}: runs {container['image']}, not {image}"
    account = found.get("ServiceAccount risingwave", {})
    if account.get("metadata", {}).get("annotations", {}).get("azure.workload.identity/client-id") != "11111111-2222-3333-4444-555555555555":
        yield "ServiceAccount risingwave: no client id"
    # loader.yaml, guard.yaml and install.sh come by this name and port.
    if 4567 not in [port["port"] for port in found.get("Service risingwave", {}).get("spec", {}).get("ports", [])]:
        yield "there is no Service risingwave with the port 4567"
    for word in ("hummock+azblob://state", "https://s.blob.core.windows.net", "db.postgres.database.azure.com", "risingwave-metadata"):
        if word not in text:
            yield f"nothing says {word}"
    if [document["spec"]["replicas"] for name, document in found.items() if name.startswith("StatefulSet") and "compute" in name] != [2]:
        yield "install.sh's replicas of the compute nodes do not arrive"


def main():
    if sys.argv[1] == "keys":
        sys.exit(bool(keys(*sys.argv[2:])))
    documents = load(Path(sys.argv[2]))
    wrong = list(problems(documents))
    for problem in wrong:
        print(f"chart: {problem}", file=sys.stderr)
    print(f"chart: {len(documents)} objects, {'ok' if not wrong else 'WRONG'}")
    sys.exit(bool(wrong))


main()
