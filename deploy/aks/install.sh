#!/usr/bin/env bash
# Puts RisingWave, guard and the loaders on the cluster that infra/ made with engine=aks. Repeat it at any time.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly CHART_VERSION=0.2.58

usage() {
  cat <<'END'
usage: install.sh -g GROUP [-i IMAGE] [-s SHARDS] [-c COMPUTE] [-r HUB=TABLE]

  -g GROUP      resource group of a deployment with engine aks
  -i IMAGE      Deltawave's image with its tag, such as NAME.azurecr.io/deltawave:0.1.0 [default: the deployment's]
  -s SHARDS     loaders, 1 by default; docs/scale.md tells how many
  -c COMPUTE    RisingWave's compute nodes, 1 by default
  -r HUB=TABLE  route [default: the deployment's event hub into user_event_log]
  -h            this help

Needs az (logged in), kubectl, kubelogin and helm; `az aks install-cli` brings the middle two. Your own
kubeconfig is left alone.
END
}

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

group='' image='' shards=1 compute=1 route=''
while getopts ':g:i:s:c:r:h' flag; do
  case $flag in
    g) group=$OPTARG ;;
    i) image=$OPTARG ;;
    s) shards=$OPTARG ;;
    c) compute=$OPTARG ;;
    r) route=$OPTARG ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[[ $# -eq 0 && -n $group && ( -z $image || $image == *:* ) && $shards =~ ^[1-9][0-9]*$ && $compute =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
for tool in kubectl kubelogin helm az; do
  command -v "$tool" >/dev/null || die "$tool is not on PATH. \`az aks install-cli\` installs kubectl and kubelogin; helm: https://helm.sh/docs/intro/install"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One line each, in this order.
read -r -d '' query <<'END' || true
properties.outputs.[clusterName.value, keyVaultName.value, keyVaultUrl.value, captureContainerUrl.value, notificationsUrl.value,
image.value, eventHubNamespace.value, eventHubName.value, loaderClientId.value, guardClientId.value, risingwaveClientId.value,
stateEndpoint.value, stateContainer.value, databaseHost.value, databaseName.value, databaseUser.value, live.value,
lakeContainerUrl.value, applicationInsightsName.value]
END
# deploy.sh names its deployment so; `az deployment group create -f infra/main.bicep` names it after the file.
outputs=$(az deployment group show --resource-group "$group" --name deltawave --query "$query" --output tsv 2>/dev/null) ||
  outputs=$(az deployment group show --resource-group "$group" --name main --query "$query" --output tsv) ||
  die "no deployment named deltawave or main in $group: deploy infra/ first"
{
  read -r cluster; read -r vault; read -r vault_url; read -r capture_url; read -r queue_url
  read -r deployed_image; read -r namespace; read -r hub; read -r loader_id; read -r guard_id; read -r risingwave_id
  read -r state_endpoint; read -r state_container
  read -r database_host; read -r database_name; read -r database_user; read -r live
  # Empty last lines do not arrive.
  read -r lake_url || lake_url=''
  read -r insights || insights=''
} <<<"$(printf %s "$outputs" | tr -d '\r')"
[[ -n $cluster && $cluster != None ]] || die "$group has no cluster: deploy it with engine=aks"
image=${image:-$deployed_image}
route=${route:-$hub=user_event_log}
# The same history as a Delta table, unless the route says where.
[[ -z $lake_url || $lake_url == None || $route == *delta:* ]] || route+=",$hub=delta:$lake_url/user_event_log"
[[ $image == *:* ]] || die "which image? The deployment has none: name one with its tag by -i"

export KUBECONFIG=$work/kubeconfig
az aks get-credentials --resource-group "$group" --name "$cluster" --file "$KUBECONFIG" --only-show-errors >/dev/null
kubelogin convert-kubeconfig --login azurecli
kubectl get namespace default --request-timeout 20s >/dev/null ||
  die "the cluster's API does not answer here. With private networking it does so only in the VNet, in peered networks and
by VPN; else to \`operator.addresses\`, and to those with the role Azure Kubernetes Service RBAC Cluster Admin
(\`operator.principalId\`): run this where that holds"

kubectl apply -f "$here/namespace.yaml"

# The password goes from the vault into the cluster by pipes: it is on no command line and in no file.
password=$(az keyvault secret show --vault-name "$vault" --name risingwave-metadata-password --query value --output tsv) ||
  die "cannot read risingwave-metadata-password in $vault: you need the role Key Vault Secrets User there, and an address its firewall lets in"
printf %s "$password" |
  kubectl create secret generic risingwave-metadata --namespace deltawave --dry-run=client --output yaml \
    --from-literal=username="$database_user" --from-file=password=/dev/stdin |
  kubectl apply -f - >/dev/null
echo "secret/risingwave-metadata configured"
if [[ -n $insights && $insights != None ]]; then
  az resource show --resource-group "$group" --name "$insights" --resource-type Microsoft.Insights/components \
    --query properties.ConnectionString --output tsv | tr -d '\r\n' |
    kubectl create secret generic traces --namespace deltawave --dry-run=client --output yaml --from-file=connection-string=/dev/stdin |
    kubectl apply -f - >/dev/null
  echo "secret/traces configured"
fi

helm upgrade --install risingwave risingwave --repo https://risingwavelabs.github.io/helm-charts \
  --version "$CHART_VERSION" --namespace deltawave --values "$here/risingwave.values.yaml" \
  --set-string "serviceAccount.annotations.azure\.workload\.identity/client-id=$risingwave_id" \
  --set "stateStore.azblob.endpoint=${state_endpoint%/}" --set "stateStore.azblob.container=$state_container" \
  --set "metaStore.postgresql.host=$database_host" --set "metaStore.postgresql.database=$database_name" \
  --set "computeComponent.replicas=$compute" --wait --timeout 15m

cp "$here"/*.yaml "$work"
cat >"$work/settings.env" <<END
SHARDS=$shards
KEY_VAULT_URL=$vault_url
CAPTURE_CONTAINER_URL=$capture_url
NOTIFICATIONS_URL=$queue_url
EVENT_HUB_NAMESPACE=$namespace
EVENT_HUB=$namespace/$hub
LIVE=$(printf %s "$live" | tr '[:upper:]' '[:lower:]')
ROUTE=$route
LOADER_CLIENT_ID=$loader_id
GUARD_CLIENT_ID=$guard_id
END
# Not in place: the sed of macOS takes -i otherwise.
sed -e "s|newName: .*|newName: ${image%:*}|" -e "s|newTag: .*|newTag: \"${image##*:}\"|" "$here/kustomization.yaml" >"$work/kustomization.yaml"
kubectl apply -k "$work"
# The loaders are ready once guard has made their user and tables.
kubectl rollout status deployment/guard --namespace deltawave --timeout 10m
kubectl rollout status statefulset/loader --namespace deltawave --timeout 10m

cat <<END

In another terminal, with KUBECONFIG of \`az aks get-credentials\`:
  kubectl --namespace deltawave port-forward service/risingwave 4566:4567
then
  PGPASSWORD="\$(az keyvault secret show --vault-name $vault --name risingwave-reader-password --query value --output tsv)" \\
    psql -h localhost -p 4566 -U reader -d dev
END
