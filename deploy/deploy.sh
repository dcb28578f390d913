#!/usr/bin/env bash
# Deploys infra/main.bicep as `az deployment group create` does, with what that lacks: checks before it, what would
# change, a question, waiting until the programs are ready, and what to do then.
# shellcheck disable=SC2034,SC2154 # names shared with those below
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here root=${here%/deploy}
# shellcheck source=deploy/lib.sh disable=SC1091
. "$here/lib.sh"
# shellcheck source=deploy/checks.sh disable=SC1091
. "$here/checks.sh"
# shellcheck source=deploy/next.sh disable=SC1091
. "$here/next.sh"

usage() {
  cat <<'END'
usage: deploy.sh -g GROUP [-l LOCATION] [-p FILE] [-w] [-y] [NAME=VALUE …]

  -g GROUP     resource group; made if it is not there, in LOCATION
  -l LOCATION  region, such as westeurope; only for a new group
  -p FILE      parameters, such as infra/prod.bicepparam [default: none, the template has its own]
  -w           only show what would change; needs to read the group, not to write or to read secrets
  -y           do not ask
  -h           this help
  NAME=VALUE   a parameter of infra/main.bicep (infra/README.md has them all), such as
                 image=ghcr.io/YOU/deltawave:0.1.0                   an image that is published
                 source=https://github.com/YOU/deltawave.git#main    built by Azure [default without image=:
                                                                     the commit of this checkout]
                 dnsLabel=shop-sql   opens SQL to the internet, by TLS only
                 demo=true           adds a producer of invented events
                 run=false           all but what runs the image, which then can be pushed

Deploying again restarts the containers: always if anything of their group changes, and Azure does not promise that it
will not if nothing does. That is some minutes without SQL; no event is lost. Passwords are made once and stay.
END
}

# Seconds that the programs may take until they are ready, RisingWave's first start most of it, and between questions.
readonly READY_WITHIN=${DELTAWAVE_READY_WITHIN:-1200} ASK_EVERY=${DELTAWAVE_ASK_EVERY:-10}

parse() {
  group='' location='' file='' only_show=0 assume_yes=0
  local flag word image_given=0
  while getopts ':g:l:p:wyh' flag; do
    case $flag in
      g) group=$OPTARG ;;
      l) location=$OPTARG ;;
      p) file=$OPTARG ;;
      w) only_show=1 ;;
      y) assume_yes=1 ;;
      h) usage; exit 0 ;;
      :) usage >&2; die "-$OPTARG needs a value" ;;
      *) usage >&2; die "there is no -$OPTARG" ;;
    esac
  done
  shift $((OPTIND - 1))
  [[ -n $group ]] || { usage >&2; die "-g is missing: which resource group?"; }
  [[ -z $file || -f $file ]] || die "$file is not a file; -p names the parameters, such as infra/dev.bicepparam"
  # A .bicepparam file names its template itself.
  given=()
  [[ $file == *.bicepparam ]] || given+=(--template-file "$root/infra/main.bicep")
  [[ -z $file ]] || given+=(--parameters "$file")
  for word in "$@"; do
    [[ $word == [a-zA-Z]*=* ]] || { usage >&2; die "what is \`$word\`? Flags come first, then NAME=VALUE"; }
    if [[ $word == dnsLabel=* ]] && ! [[ ${word#*=} =~ ^[a-z0-9][a-z0-9-]{3,61}[a-z0-9]$ ]]; then
      die "$word: a DNS label of Azure's has 5 to 63 lowercase letters, digits and hyphens, and begins and ends with no hyphen"
    fi
    case $word in image=* | source=* | run=false) image_given=1 ;; esac
    given+=(--parameters "$word")
  done
  if ((!image_given)) && ! { [[ -n $file ]] && grep -Eq '^param (image|source|run) ' "$file"; }; then
    word=$(own_source)
    echo "image: built from $word"
    given+=(--parameters "source=$word")
  fi
}

# This checkout, as Azure can get it.
own_source() {
  local commit remote instead="Give image=… or source=… (see -h)"
  commit=$(git -C "$root" rev-parse HEAD 2>/dev/null) || die "this is no Git checkout that Azure could build the image from. $instead"
  remote=$(git -C "$root" remote get-url origin 2>/dev/null | sed -E -e 's#^(ssh://)?git@([^:/]+)[:/]#https://\2/#' -e 's#(\.git)?/?$#.git#') || true
  [[ $remote == https://* ]] || die "this checkout has no remote \`origin\` that Azure could build the image from. $instead"
  [[ -n $(git -C "$root" branch --remotes --contains "$commit" 2>/dev/null) ]] ||
    die "Azure builds the image from $remote, and commit ${commit:0:12} is not pushed there. Push it, or: $instead"
  [[ -z $(git -C "$root" status --porcelain 2>/dev/null) ]] || echo "warning: what is not committed here will not be in the image" >&2
  printf '%s#%s' "$remote" "$commit"
}

# Runs az with the template; on failure says what is known to cure it.
deployment() {
  local verb=$1
  shift
  az deployment group "$verb" --resource-group "$group" --name deltawave "${given[@]}" --only-show-errors "$@" 2>"$work/errors" && return 0
  cat "$work/errors" >&2
  explain "$work/errors"
}

# Sets `in_the_way`: the container group, if Azure cannot make the change in place.
show_changes() {
  local level=Provider query
  # sort_by fails on what is no list: an answer of another form must not pass for one without changes.
  query="sort_by(changes || properties.changes, &resourceId)[?changeType!='NoChange' && changeType!='Ignore']"
  # Nested as Azure nests them: containers, their number, what of them.
  local real="[?propertyChangeType!='NoEffect']"
  query="$query.join('  ', [changeType, resourceId, join(' ', [delta$real.path, delta[].children$real.path[], delta[].children[].children$real.path[]][])])"
  ((!only_show)) || level=ProviderNoRbac
  echo "what would change in $group:"
  deployment what-if --validation-level "$level" --no-pretty-print --query "$query" --output tsv >"$work/changes"
  # Without the values, which need not be seen, and the part of the names that all have in common.
  sed -e "s|/subscriptions/[^ ]*/providers/||" -e 's/^/  /' -e 's/ *$//' "$work/changes"
  [[ -s $work/changes ]] || echo "  nothing; but Azure compares no secrets"
  local fixed='(resources\.requests|ipAddress( |$)|ipAddress\.(type|dnsNameLabel)|[pP]orts|subnetIds|restartPolicy)'
  in_the_way=$(sed -nE "s#^Modify +[^ ]*/containerGroups/([^ ]+) .*$fixed.*#\\1#p" "$work/changes")
  if [[ -n $in_the_way ]]; then
    echo "Azure changes cores, memory, ports, network and restart policy of containers in a new group only: the group
$in_the_way is deleted first. It holds nothing; SQL is away for some 10 minutes, and the loader catches up"
  elif ! grep -q '^Create .*/containerGroups/' "$work/changes"; then
    echo "Containers that run are restarted at the end of it: some minutes without SQL, no event is lost"
  fi
}

# By guard's log, which comes through Azure wherever this runs; the port of /readyz is open in a VNet only. What the log
# says here is when /readyz begins to answer 200.
wait_ready() {
  local containers=$1 until=$((SECONDS + READY_WITHIN))
  printf 'waiting for the programs in %s ' "$containers"
  until az container logs --resource-group "$group" --name "$containers" --container-name guard >"$work/log" 2>/dev/null &&
    grep -q 'the store is set up and takes changes' "$work/log"; do
    if ((SECONDS >= until)); then
      printf '\n' >&2
      az container show --resource-group "$group" --name "$containers" --output tsv \
        --query "containers[].join(' ', [name, instanceView.currentState.state || '?', instanceView.currentState.detailStatus || ''])" >&2 || true
      die "not ready within $READY_WITHIN s. What guard waits for is in its log, and why RisingWave does not start in that of risingwave:
  az container logs --resource-group $group --name $containers --container-name guard"
    fi
    printf .
    sleep "$ASK_EVERY"
  done
  echo ' ready'
}

main() {
  parse "$@"
  need_azure
  need_versions
  need_providers
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  local scope=/subscriptions/$subscription/resourceGroups/$group made_group=0
  if ! group_exists "$group"; then
    [[ -n $location ]] || die "the resource group $group does not exist: say where to make it with -l, such as -l westeurope"
    ((!only_show)) || die "the resource group $group does not exist, and Azure compares with nothing else: az group create --name $group --location $location"
    scope=/subscriptions/$subscription
  fi
  if ((!only_show)); then need_role_assignments "$scope"; fi
  if [[ $scope != */resourceGroups/* ]]; then
    confirm "Make the resource group $group in $location? It is free, and what-if needs it." yes || { echo "nothing was made"; exit 1; }
    az group create --name "$group" --location "$location" --output none
    made_group=1
  fi
  show_changes
  ((!only_show)) || exit 0
  if ! confirm "Do this in $group?" yes; then
    # What-if needed the group; it is as empty as it was made.
    if ((made_group)); then az group delete --name "$group" --yes --no-wait; fi
    echo "nothing was made"
    exit 1
  fi
  [[ -z $in_the_way ]] || az container delete --resource-group "$group" --name "$in_the_way" --yes --output none
  echo "deploying: some 40 minutes the first time, 10 later on. Elsewhere, its steps:
  az deployment operation group list --resource-group $group --name deltawave --output table"
  deployment create --output none
  read_outputs
  if [[ -n $containers ]]; then wait_ready "$containers"; fi
  say_next
}

main "$@"
