#!/usr/bin/env bash
# Runs the RisingWave chart's own templates over our values, by helm, and holds the result to Kubernetes' schemas.
#
#   deploy/check/chart.sh DIRECTORY           a clone of risingwavelabs/helm-charts, at the chart of CHART_VERSION (install.sh)
#   deploy/check/chart.sh --keys DIRECTORY    writes deploy/aks/chart-keys.txt anew from it
#
# The chart's library, bitnami's `common`, is taken from a clone of bitnami/charts beside it or named by BITNAMI_CHARTS.
# Needs go (helm is built from source, minutes the first time) and run.sh's Python in target/ci/deploy.
set -euo pipefail
keys=0
if [[ ${1:-} == --keys ]]; then keys=1; shift; fi
[[ -d ${1:-}/charts/risingwave ]] || { echo "usage: chart.sh [--keys] DIRECTORY, a clone of risingwavelabs/helm-charts" >&2; exit 2; }
charts=$(cd "$1" && pwd)
common=${BITNAMI_CHARTS:-$charts/../bitnami-charts}/bitnami/common
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=target/ci/deploy/bin/python
version=$(sed -nE 's/^readonly CHART_VERSION=//p' deploy/aks/install.sh)
has=$(sed -nE 's/^version: //p' "$charts/charts/risingwave/Chart.yaml")
[[ $has == "$version" ]] || { echo "chart: $charts has $has, and install.sh $version" >&2; exit 1; }

if ((keys)); then
  "$python" deploy/check/chart.py keys "$charts/charts/risingwave/values.yaml" "$version" "$(git -C "$charts" log -1 --format=%H -- charts/risingwave 2>/dev/null || echo unknown)"
  exit
fi

readonly HELM=v3.22.0
helm=$PWD/target/ci/helm-$HELM/helm
[[ -x $helm ]] || GOFLAGS='' GOBIN=${helm%/helm} go install "helm.sh/helm/v3/cmd/helm@$HELM"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$charts/charts/risingwave" "$work/chart"
mkdir -p "$work/chart/charts"
cp -R "$common" "$work/chart/charts/common"
# PostgreSQL and MinIO are for those who have none; helm only wants to see them.
for name in postgresql minio; do
  major=$("$python" -c "import sys, yaml; print(next(d['version'] for d in yaml.safe_load(open(sys.argv[1]))['dependencies'] if d['name'] == sys.argv[2]).split('.')[0])" "$work/chart/Chart.yaml" $name)
  mkdir "$work/chart/charts/$name"
  printf 'apiVersion: v2\nname: %s\nversion: %s.0.0\n' "$name" "$major" >"$work/chart/charts/$name/Chart.yaml"
done
# As install.sh calls it.
"$helm" template risingwave "$work/chart" --namespace deltawave --kube-version 1.34.0 --values deploy/aks/risingwave.values.yaml \
  --set-string "serviceAccount.annotations.azure\.workload\.identity/client-id=11111111-2222-3333-4444-555555555555" \
  --set "stateStore.azblob.endpoint=https://s.blob.core.windows.net" --set "stateStore.azblob.container=state" \
  --set "metaStore.postgresql.host=db.postgres.database.azure.com" --set "metaStore.postgresql.database=risingwave" \
  --set "computeComponent.replicas=2" >"$work/objects.yaml"
"$python" deploy/check/chart.py objects "$work/objects.yaml"
