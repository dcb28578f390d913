#!/usr/bin/env bash
# Deletes one deployment with all it holds.
# shellcheck disable=SC2034,SC2154 # names shared with lib.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
# shellcheck source=deploy/lib.sh disable=SC1091
. "$here/lib.sh"

usage() {
  cat <<'END'
usage: teardown.sh -g GROUP [-x] [-y]

  -g GROUP  resource group, deleted with everything in it: the Capture files, too, which nothing can bring back
  -x        purge the Key Vault as well, so that its name is free at once; without it the vault can be recovered
  -y        do not ask
  -h        this help
END
}

group='' purge=0 assume_yes=0
while getopts ':g:xyh' flag; do
  case $flag in
    g) group=$OPTARG ;;
    x) purge=1 ;;
    y) assume_yes=1 ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[[ $# -eq 0 && -n $group ]] || { usage >&2; exit 2; }

need_azure
if ! group_exists "$group"; then
  echo "$group is not there: nothing to do"
  exit 0
fi
echo "In $group of subscription $subscription:"
az resource list --resource-group "$group" --query "[].join('  ', [type, name])" --output tsv | sed 's/^/  /'
# Those of the group and of what is in it; a name alone would not find the latter.
locks=$(az lock list --resource-group "$group" --query '[].id' --output tsv | tr -d '\r')
[[ -z $locks ]] || die "locks forbid it, as \`protect\` makes them. If you mean it (it needs the role Owner or User Access Administrator):
  az lock delete --ids $(printf %s "$locks" | tr '\n' ' ')"
# One line each: name, and whether it may not be purged.
vaults=$(az keyvault list --resource-group "$group" --query "[].join(' ', [name, to_string(properties.enablePurgeProtection || \`false\`)])" --output tsv | tr -d '\r')
if ((purge)) && [[ $vaults == *' true'* ]]; then
  die "a vault here is protected from being purged, for good, and keeps its name until its retention ends: leave out -x"
fi
confirm "All of this is deleted, with the data in it." "$group" || { echo "nothing was deleted"; exit 1; }
az group delete --name "$group" --yes
while read -r vault protected; do
  [[ -n $vault ]] || continue
  if ((purge)); then
    az keyvault purge --name "$vault"
  elif [[ $protected == true ]]; then
    echo "the vault $vault is kept deleted for its retention; a new deployment of this name needs it back, for which the group
has to be there: az keyvault recover --name $vault"
  else
    echo "the vault $vault is kept deleted for its retention; a new deployment of this name needs one of"
    echo "  az keyvault recover --name $vault    or    az keyvault purge --name $vault"
  fi
done <<<"$vaults"
echo "deleted"
