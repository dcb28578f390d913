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
if [[ $(az group exists --name "$group" --output tsv) != true ]]; then
  echo "$group is not there: nothing to do"
  exit 0
fi
echo "In $group of subscription $subscription:"
az resource list --resource-group "$group" --query "[].join('  ', [type, name])" --output tsv | sed 's/^/  /'
locks=$(az lock list --resource-group "$group" --query '[].name' --output tsv)
[[ -z $locks ]] || die "locks forbid it: $(printf %s "$locks" | tr '\r\n' '  ')
If you mean it: az lock delete --resource-group $group --name NAME, for each"
vaults=$(az keyvault list --resource-group "$group" --query '[].name' --output tsv | tr -d '\r')
confirm "All of this is deleted, with the data in it." "$group" || { echo "nothing was deleted"; exit 1; }
az group delete --name "$group" --yes
for vault in $vaults; do
  if ((purge)); then
    az keyvault purge --name "$vault"
  else
    echo "the vault $vault is kept deleted for its retention; a new deployment of this name needs one of"
    echo "  az keyvault recover --name $vault    or    az keyvault purge --name $vault"
  fi
done
echo "deleted"
