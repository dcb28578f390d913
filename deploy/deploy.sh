#!/usr/bin/env bash
# Makes or updates one deployment: shows what would change, asks, does it, waits until it answers, says how to use it.
# shellcheck disable=SC2034,SC2154 # names shared with lib.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=${here%/deploy}
readonly here root
# shellcheck source=deploy/lib.sh disable=SC1091
. "$here/lib.sh"

usage() {
  cat <<'END'
usage: deploy.sh -g GROUP [-l LOCATION] [-p FILE] [-i IMAGE | -o] [-d LABEL | -n NAME] [-c FILE -k FILE] [-w] [-f] [-y]

  -g GROUP     resource group; made if it is not there, in LOCATION
  -l LOCATION  region, such as westeurope; only for a new group
  -p FILE      parameters [default: infra/dev.bicepparam]
  -i IMAGE     Deltawave's image [default: build this checkout in the deployment's own registry]
  -o           only what comes before the image, so that it can be pushed into the deployment's registry
  -d LABEL     open the SQL port to the internet as LABEL.REGION.azurecontainer.io, by TLS only
  -n NAME      open the SQL port in the VNet, by TLS only, with a certificate for NAME, such as sql.example.internal;
               for parameters with privateNetworking. NAME need not be in any DNS
  -c, -k FILE  certificate and key of the SQL port, PEM [default with -d or -n: self-signed, made once in
               ~/.local/state/deltawave/GROUP]
  -w           only show what would change; needs to read the group, not to write or to read secrets
  -f           deploy even if nothing would change: after a secret or a certificate was changed, for Azure
               compares none of them
  -y           do not ask
  -h           this help

Passwords are made on the first run, and kept in the deployment's Key Vault: a second run reads them back and
changes nothing. They go to the Azure CLI by environment variables, never by arguments or files.
END
}

# What infra/ makes needs these.
readonly PROVIDERS='Microsoft.EventHub Microsoft.Storage Microsoft.KeyVault Microsoft.ManagedIdentity
Microsoft.ContainerInstance Microsoft.ContainerRegistry Microsoft.ContainerService Microsoft.DBforPostgreSQL
Microsoft.EventGrid Microsoft.Network Microsoft.OperationalInsights Microsoft.Insights'
# Seconds that the SQL port may take to answer. PostgreSQL and RisingWave's first start take most of it.
readonly READY_WITHIN=${DELTAWAVE_READY_WITHIN:-1200}

parse() {
  group='' location='' parameters=$root/infra/dev.bicepparam image='' label='' tls_name='' certificate='' key=''
  before_image=0 only_show=0 force=0 assume_yes=0
  local flag
  while getopts ':g:l:p:i:od:n:c:k:wfyh' flag; do
    case $flag in
      g) group=$OPTARG ;;
      l) location=$OPTARG ;;
      p) parameters=$OPTARG ;;
      i) image=$OPTARG ;;
      o) before_image=1 ;;
      d) label=$OPTARG ;;
      n) tls_name=$OPTARG ;;
      c) certificate=$OPTARG ;;
      k) key=$OPTARG ;;
      w) only_show=1 ;;
      f) force=1 ;;
      y) assume_yes=1 ;;
      h) usage; exit 0 ;;
      :) usage >&2; die "-$OPTARG needs a value" ;;
      *) usage >&2; die "there is no -$OPTARG" ;;
    esac
  done
  shift $((OPTIND - 1))
  (($# == 0)) || { usage >&2; die "what is \`$1\`?"; }
  [[ -n $group ]] || { usage >&2; die "-g is missing: which resource group?"; }
  [[ -f $parameters ]] || die "$parameters is not a file; -p names the parameters, such as infra/dev.bicepparam"
  [[ -z $certificate && -z $key ]] || [[ -r $certificate && -r $key ]] || die "-c and -k go together, and both must be readable"
  [[ -z $label || -z $tls_name ]] || die "-d is for a public address, -n for one in the VNet: one of them"
  [[ -z $image || $before_image == 0 ]] || die "-i and -o exclude each other"
}

# --- what has to be there before anything is asked of anyone ---

need_tools() {
  need_azure
  az bicep version >/dev/null 2>&1 || die "the Azure CLI has no Bicep. Run \`az bicep install\`"
  command -v openssl >/dev/null || die "openssl is not on PATH; it makes the passwords"
}

need_providers() {
  local registered missing='' provider
  registered=" $(az provider list --query "[?registrationState=='Registered'].namespace" --output tsv | tr '\r\n' '  ') "
  for provider in $PROVIDERS; do
    [[ $registered == *" $provider "* ]] || missing="$missing $provider"
  done
  [[ -z $missing ]] || die "not registered in this subscription:$missing
Register them (it takes minutes, and the right to do so):
  for provider in$missing; do az provider register --namespace \$provider --wait; done"
}

# Assigning roles needs more than the role Contributor. The permissions here are those of the whole path above, too.
need_role_assignments() {
  local scope=/subscriptions/$subscription action=microsoft.authorization/roleassignments/write allowed not_allowed
  local pattern granted=0 refused permissions
  if ((group_exists)); then scope=$scope/resourceGroups/$group; fi
  # A line for each role held: what it allows, then what it takes away again.
  permissions=$(az rest --method get \
    --url "https://management.azure.com$scope/providers/Microsoft.Authorization/permissions?api-version=2022-04-01" \
    --query "value[].join('|', [join(' ', actions), join(' ', notActions)])" --output tsv) || die "az could not tell what you may do in $scope"
  while IFS='|' read -r allowed not_allowed; do
    refused=1
    set -f # the words are patterns, and none for files
    for pattern in $allowed; do
      # shellcheck disable=SC2053
      if [[ $action == $pattern ]]; then refused=0; fi
    done
    for pattern in $not_allowed; do
      # shellcheck disable=SC2053
      if [[ $action == $pattern ]]; then refused=1; fi
    done
    set +f
    if ((!refused)); then granted=1; fi
  done <<<"$(printf %s "$permissions" | tr '[:upper:]' '[:lower:]')"
  ((granted)) || die "you may not assign roles in ${scope##*/}, which the deployment has to.
Ask an owner for the role Owner, or Role Based Access Control Administrator beside Contributor, on the resource group:
  az role assignment create --role 'Role Based Access Control Administrator' --assignee YOU --scope $scope"
}

# --- what the template is told, by the environment that the .bicepparam file reads ---

# Who runs this, as the token says: it needs no right to look in the directory.
operator() {
  export DELTAWAVE_OPERATOR_ID=${DELTAWAVE_OPERATOR_ID:-} DELTAWAVE_OPERATOR_TYPE=${DELTAWAVE_OPERATOR_TYPE:-User}
  # Given by those who look on behalf of another, such as a pull request.
  [[ -z $DELTAWAVE_OPERATOR_ID ]] || return 0
  local claims
  claims=$(az account get-access-token --query accessToken --output tsv | cut -d. -f2 | tr -- '-_' '+/' | tr -d '\r\n')
  while ((${#claims} % 4)); do claims=$claims=; done
  claims=$(printf %s "$claims" | openssl base64 -d -A)
  [[ $claims =~ \"oid\":\"([0-9a-fA-F-]+)\" ]] || die "the access token does not say who you are; run \`az login\` again"
  DELTAWAVE_OPERATOR_ID=${BASH_REMATCH[1]}
  if [[ $claims == *'"idtyp":"app"'* ]]; then DELTAWAVE_OPERATOR_TYPE=ServicePrincipal; fi
}

# 51 characters, all of which a URL takes as they are; the first three are for rules that want each kind.
new_password() {
  printf 'Dw9%s' "$(openssl rand -base64 36 | tr -- '+/' '-_' | tr -d '\n=')"
}

# From the vault, if it has them; to look (-w), any do, since Azure compares no secrets. Never new ones because the vault cannot be read: that would lock everybody out.
passwords() {
  local vault='' present='' name value
  if ((group_exists && !only_show)); then vault=$(az keyvault list --resource-group "$group" --query '[0].name' --output tsv); fi
  [[ $vault != None ]] || vault=''
  if [[ -n $vault ]]; then
    present=$(az keyvault secret list --vault-name "$vault" --query '[].name' --output tsv) || die "cannot read the secrets of $vault, which has the passwords.
You need the role Key Vault Secrets User there (a new one takes minutes to work), and an address that its firewall
lets in (\`operatorAddresses\` in $parameters)"
    present=$(printf %s "$present" | tr '\r\n' '  ')
  fi
  for name in root loader reader metadata; do
    if [[ " $present " == *" risingwave-$name-password "* ]]; then
      value=$(az keyvault secret show --vault-name "$vault" --name "risingwave-$name-password" --query value --output tsv) ||
        die "cannot read risingwave-$name-password in $vault"
    else
      value=$(new_password)
    fi
    export "DELTAWAVE_$(printf %s "$name" | tr '[:lower:]' '[:upper:]')_PASSWORD=$value"
  done
}

# What the parameters say of things that this script has to know before anything is made. The file may take them from
# anywhere, so the compiler is asked.
read_parameters() {
  local compiled
  compiled=$(az bicep build-params --file "$parameters" --stdout --only-show-errors 2>"$work/errors") ||
    { cat "$work/errors" >&2; die "the parameters do not compile: $parameters"; }
  # JSON within JSON: without its escapes and spaces one pattern fits both.
  compiled=$(printf %s "$compiled" | sed -e 's/\\[rn]//g' -e 's/\\"/"/g' -e 's/\\u0022/"/g' | tr -d ' \t\r\n')
  private=0 makes_registry=0
  if [[ $compiled == *'"privateNetworking":{"value":true}'* ]]; then private=1; fi
  if [[ $compiled == *'"containerRegistry":{"value":true}'* ]]; then makes_registry=1; fi
}

tls() {
  export DELTAWAVE_DNS_LABEL=$label DELTAWAVE_TLS_CERTIFICATE='' DELTAWAVE_TLS_KEY=''
  [[ -n $label || -n $tls_name || -n $certificate ]] || return 0
  local directory=${XDG_STATE_HOME:-$HOME/.local/state}/deltawave/$group name=${tls_name:-$label.$region.azurecontainer.io}
  if [[ -z $certificate ]]; then
    certificate=$directory/tls.crt key=$directory/tls.key
    if [[ -f $certificate && -f $key ]] && [[ $(certificate_name) != "$name" ]]; then
      die "$certificate is for $(certificate_name), not for $name: delete it and $key for a new one"
    fi
    if [[ ! -f $certificate || ! -f $key ]]; then
      echo "making a self-signed certificate for $name in $directory"
      (umask 077 && mkdir -p "$directory" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -days 825 -subj "/CN=$name" -addext "subjectAltName=DNS:$name" -keyout "$key" -out "$certificate" 2>/dev/null) ||
        die "openssl could not make the certificate; give your own with -c and -k"
    fi
  fi
  DELTAWAVE_TLS_CERTIFICATE=$(cat "$certificate") DELTAWAVE_TLS_KEY=$(cat "$key")
}

# The first name that the certificate is valid for.
certificate_name() {
  openssl x509 -in "$certificate" -noout -text | sed -nE 's/^[[:space:]]*DNS:([^,[:space:]]+).*/\1/p' | sed -n 1p
}

# What a client has to trust: the file itself if it signed itself, else its authority.
trusted() {
  local names
  names=$(openssl x509 -in "$certificate" -noout -subject -issuer | sed 's/^[a-z]*= *//' | sort -u | wc -l)
  if ((names == 1)); then printf %s "$certificate"; else printf system; fi
}

# --- the image ---

# Named after what it is built from, so that nothing is built twice and the same sources change nothing.
image_tag() {
  (cd "$root" && find Cargo.toml Cargo.lock benches sql src deploy/Dockerfile deploy/health.sh -type f |
    LC_ALL=C sort | xargs openssl dgst -sha256 | openssl dgst -sha256 -r | cut -c1-12)
}

# Sets `registry`, and `image` if it is known already; `build` says that it is still to be built.
find_image() {
  build=0 registry='' tag=$(image_tag)
  [[ -z $image ]] || return 0
  if ((group_exists)); then registry=$(az acr list --resource-group "$group" --query '[0].name' --output tsv); fi
  [[ $registry != None ]] || registry=''
  ((!before_image)) || return 0
  build=1
  [[ -n $registry ]] || return 0
  image=$(az acr show --name "$registry" --query loginServer --output tsv)/deltawave:$tag
  # A registry without a repository answers with an error.
  if az acr repository show-tags --name "$registry" --repository deltawave --output tsv 2>/dev/null | tr -d '\r' |
    grep -qx "$tag"; then build=0; fi
}

# Before anything is made: whether there will be a registry, and one that `az acr build` can push into. It builds on
# machines of Azure's outside the VNet, which a registry with private networking does not let in.
need_builder() {
  ((build)) || return 0
  [[ -n $registry ]] || ((makes_registry)) ||
    die "there is no registry to build the image in: give an image with -i, or set \`param containerRegistry = true\` in $parameters"
  ((private)) || return 0
  die "with private networking Azure cannot build the image: its builders are not let into the registry. Either
  give an image that the containers may pull, with -i; or
  1. $0 -g $group -p $parameters -o      makes the registry, and says how to push
  2. build and push where there is Docker, and an address that \`operatorAddresses\` in $parameters lets in
  3. $0 -g $group -p $parameters         finds the image by its tag, deltawave:$tag"
}

say_how_to_push() {
  local server
  registry=$(output registryName) server=$(output registryLoginServer)
  [[ -n $registry ]] || { echo "all but what runs the image is there; give one with -i"; return 0; }
  cat <<END
All but what runs the image is there. Build and push it, from an address that the registry lets in:
  az acr login --name $registry
  docker buildx build --platform linux/amd64 --file deploy/Dockerfile --tag $server/deltawave:$tag --push .
Then run this again without -o. If it cannot see the registry's tags: with -i $server/deltawave:$tag
END
}

build_image() {
  echo "building $image (about 15 minutes)"
  az acr build --registry "$registry" --image "deltawave:$tag" --file "$root/deploy/Dockerfile" "$root" --only-show-errors \
    >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; die "the image could not be built; the end of its log is above"; }
}

# --- the deployment ---

# Runs az with the template; on failure says what is known to cure it.
deployment() {
  local verb=$1
  shift
  DELTAWAVE_IMAGE=$image az deployment group "$verb" --resource-group "$group" --name deltawave \
    --parameters "$parameters" --only-show-errors "$@" 2>"$work/errors" && return 0
  cat "$work/errors" >&2
  case $(cat "$work/errors") in
    *roleAssignments/write*) die "assigning roles was refused: see who has the role Owner on $group" ;;
    *MissingSubscriptionRegistration*) die "a resource provider is not registered: az provider register --namespace NAME --wait" ;;
    *soft-deleted* | *soft\ delete* | *VaultAlreadyExists*) die "a deleted vault of the same name is still kept: \`az keyvault list-deleted\`, then \`az keyvault recover --name NAME\` or \`az keyvault purge --name NAME\`" ;;
    *Quota* | *quota* | *InsufficientCapacity*) die "the subscription's quota in this region is not enough: ask for more, or choose another region" ;;
    *RequestDisallowedByPolicy*) die "a policy of your organisation refuses it; the message above names the policy" ;;
    *BCP[0-9]*) die "the template does not compile; run \`az bicep build --file infra/main.bicep\`" ;;
    *) die "az deployment group $verb failed; docs/deploy.md lists what can go wrong. Nothing of it has to be undone: run this again once the cause is mended" ;;
  esac
}

show_changes() {
  echo "asking Azure what would change in $group"
  # sort_by fails on what is no list: an answer of another form must not pass for one without changes.
  local query="sort_by(changes || properties.changes, &resourceId)[?changeType!='NoChange' && changeType!='Ignore'].join('  ', [changeType, resourceId, join(' ', delta[].path || \`[]\`)])"
  local level=Provider
  if ((only_show)); then level=ProviderNoRbac; fi
  deployment what-if --validation-level "$level" --no-pretty-print --query "$query" --output tsv >"$work/changes"
  if [[ -s $work/changes ]]; then
    # Without the values, which need not be seen, and the part of the names that all have in common.
    sed -e "s|/subscriptions/[^ ]*/providers/||" -e 's/^/  /' "$work/changes"
  else
    echo "  nothing"
  fi
}

output() {
  local value
  value=$(az deployment group show --resource-group "$group" --name deltawave --query "properties.outputs.$1.value" --output tsv)
  if [[ $value != None ]]; then printf %s "$value" | tr -d '\r'; fi
}

states() {
  az container show --resource-group "$group" --name "$(output containerGroupName)" --output tsv \
    --query "containers[].join(' ', [name, instanceView.currentState.state || '?', instanceView.currentState.detailStatus || ''])"
}

# The port is opened by `guard`, which has then made users and tables: an answer means that all is there.
wait_ready() {
  local address=$1 port=$2 until=$((SECONDS + READY_WITHIN))
  [[ -n $address ]] || return 0
  case $address in
    10.* | 192.168.* | 172.1[6-9].* | 172.2[0-9].* | 172.3[01].*)
      # Azure can tell that the containers run, and no more: the port is closed until `guard` is done.
      echo "$address:$port answers in the VNet only, so this does not wait for it. Containers, as Azure sees them:"
      states | sed 's/^/  /'
      return 0
      ;;
  esac
  printf 'waiting for %s:%s ' "$address" "$port"
  # The subshell's connection ends with it.
  until (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; do
    if ((SECONDS >= until)); then
      printf '\n%s\n' "$(states)" >&2
      die "no answer within $READY_WITHIN s. If all containers run, this machine may not reach the port: a private address,
or a firewall that lets out only 443. Their logs: az container logs --resource-group $group --name $(output containerGroupName) --container-name guard"
    fi
    printf .
    sleep 5
  done
  echo ' ready'
}

say_how_to_use_it() {
  local address=$1 port=$2 vault cluster where=$1 mode='sslmode=verify-full sslrootcert=system' name
  vault=$(output keyVaultName)
  cluster=$(output clusterName)
  if [[ -n $certificate ]]; then
    mode="sslmode=verify-full sslrootcert=$(trusted)"
    name=$(certificate_name)
    # By an address the certificate's name cannot be looked up, and need not.
    if [[ -n $name && $address =~ ^[0-9.]+$ ]]; then where="$name hostaddr=$address"; fi
  fi
  echo
  if [[ -n $cluster ]]; then
    echo "Next, the cluster: deploy/aks/install.sh -g $group -i ${image:-IMAGE}"
  elif [[ -n $address ]]; then
    cat <<END
Look:
  PGPASSWORD="\$(az keyvault secret show --vault-name $vault --name risingwave-reader-password --query value --output tsv)" \\
    psql "host=$where port=$port user=reader dbname=dev $mode" \\
    --command "SELECT * FROM latest_user_state ORDER BY id"
END
    if ((private)); then
      cat <<END
From a machine in the VNet, or in a network that is peered with it or comes in by VPN, and that \`clientAddresses\` lets
in. The address may change when Azure moves the containers:
  az container show --resource-group $group --name $(output containerGroupName) --query ipAddress.ip --output tsv
END
    fi
  elif ((private)); then
    echo "No SQL port is open: give it a certificate, your own with -c and -k, or a self-signed one with -n NAME."
  else
    echo "No SQL port is open: give it a public name with -d, or use private networking (docs/deploy.md)."
  fi
  cat <<END
Produce:
  cargo run --bin producer -- --event-hub $(output eventHubNamespace)/$(output eventHubName) \\
    --connection-string keyvault:producer-connection-string --key-vault-url $(output keyVaultUrl)
END
}

main() {
  parse "$@"
  need_tools
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  local made_group=0
  group_exists=0
  if [[ $(az group exists --name "$group" --output tsv) == true ]]; then group_exists=1; fi
  need_providers
  if ((!only_show)); then need_role_assignments; fi
  if ((!group_exists)); then
    [[ -n $location ]] || die "the resource group $group does not exist: say where to make it with -l, such as -l westeurope"
    ((!only_show)) || die "the resource group $group does not exist, and Azure compares with nothing else: az group create --name $group --location $location"
  fi
  operator
  passwords
  find_image
  read_parameters
  [[ -z $tls_name ]] || ((private)) || die "-n is for a port in the VNet, and $parameters has no \`param privateNetworking = true\`"
  [[ -z $label ]] || ((!private)) || die "-d is for a public address, and $parameters has private networking: use -n, or -c and -k"
  if ((!only_show)); then need_builder; fi
  if ((!group_exists)); then
    confirm "Make the resource group $group in $location? It is free, and what-if needs it." yes || { echo "nothing was made"; exit 1; }
    az group create --name "$group" --location "$location" --output none
    made_group=1
  fi
  region=$(az group show --name "$group" --query location --output tsv)
  tls

  show_changes
  if ((build && private)); then
    echo "  and the image deltawave:$tag is not there: Azure cannot build it with private networking; give one with -i, or see -o"
  elif ((build)); then
    echo "  and the image deltawave:$tag is built${registry:+ in $registry}"
  fi
  ((!only_show)) || exit 0
  if [[ -s $work/changes ]] || ((build || force)); then
    if ! confirm "Do this in $group?" yes; then
      # What-if needed the group; it is as empty as it was made.
      if ((made_group)); then az group delete --name "$group" --yes --no-wait; fi
      echo "nothing was made"
      exit 1
    fi
    apply
  fi
  if ((before_image)); then
    say_how_to_push
    exit 0
  fi
  local address port
  address=$(output frontAddress)
  port=$(output frontPort)
  wait_ready "$address" "$port"
  say_how_to_use_it "$address" "$port"
}

# The image comes between: its registry before it, what runs it after it.
apply() {
  if ((build)) && [[ -z $registry ]]; then
    echo "making all but what runs the image (about 10 minutes)"
    deployment create --output none
    registry=$(output registryName)
    image=$(output registryLoginServer)/deltawave:$tag
  fi
  if ((build)); then build_image; fi
  echo "deploying (about 10 minutes)"
  deployment create --output none
}

main "$@"
