#!/usr/bin/env bash
# What deploy.sh looks at before it asks anything of Azure, and what it knows of Azure's errors. bash 3.2, as lib.sh.
# shellcheck disable=SC2154 # names shared with deploy.sh

# deployer() in the template, and -p FILE beside -p NAME=VALUE, are of these versions; @onlyIfNotExists of this Bicep.
need_versions() {
  local cli bicep
  cli=$(az version --query '"azure-cli"' --output tsv | tr -d '\r')
  at_least "$cli" 2 76 || die "the Azure CLI is ${cli:-too old}, and 2.76 is needed. Run \`az upgrade\`"
  bicep=$(az bicep version 2>/dev/null | sed -nE 's/.*version ([0-9.]+).*/\1/p') || bicep=''
  [[ -n $bicep ]] || die "the Azure CLI has no Bicep. Run \`az bicep install\`"
  at_least "$bicep" 0 36 || die "Bicep is $bicep, and 0.36 is needed. Run \`az bicep upgrade\`"
}

at_least() {
  local major minor
  IFS=. read -r major minor _ <<<"$1"
  [[ $major =~ ^[0-9]+$ && $minor =~ ^[0-9]+$ ]] && ((major > $2 || (major == $2 && minor >= $3)))
}

# Which of the template's providers the subscription has not registered. Azure writes their names in mixed cases
# (`microsoft.insights`), and lists them for those only who may read the subscription, which nobody has to.
need_providers() {
  local registered missing='' provider wanted="Microsoft.EventHub Microsoft.Storage Microsoft.KeyVault Microsoft.ManagedIdentity
    Microsoft.DBforPostgreSQL Microsoft.EventGrid Microsoft.OperationalInsights Microsoft.Insights"
  case " ${given[*]} " in *' engine=aks '*) wanted="$wanted Microsoft.ContainerService" ;; *) wanted="$wanted Microsoft.ContainerInstance" ;; esac
  case " ${given[*]} " in *' source='*) wanted="$wanted Microsoft.ContainerRegistry" ;; esac
  if ! registered=$(az provider list --query "[?registrationState=='Registered'].namespace" --output tsv --only-show-errors 2>/dev/null); then
    echo "warning: the subscription's providers may not be read, so whether they are registered shows in the deployment" >&2
    return 0
  fi
  registered=" $(printf %s "$registered" | tr '\r\n[:upper:]' '  [:lower:]') "
  for provider in $wanted; do
    [[ $registered == *" $(printf %s "$provider" | tr '[:upper:]' '[:lower:]') "* ]] || missing="$missing $provider"
  done
  [[ -z $missing ]] || die "not registered in this subscription:$missing
Register them (it takes minutes, and the right to do so):
  for provider in$missing; do az provider register --namespace \$provider --wait; done"
}

# Assigning roles needs more than the role Contributor. The permissions are those of the whole path above $1, too.
need_role_assignments() {
  local scope=$1 action=microsoft.authorization/roleassignments/write allowed not_allowed pattern granted=0 refused permissions
  # A line for each role held: what it allows, then what it takes away again.
  permissions=$(az rest --method get --url "https://management.azure.com$scope/providers/Microsoft.Authorization/permissions?api-version=2022-04-01" \
    --query "value[].join('|', [join(' ', actions), join(' ', notActions)])" --output tsv) || die "Azure does not tell what you may do in $scope"
  set -f # the words are patterns, and none for files
  while IFS='|' read -r allowed not_allowed; do
    refused=1
    # shellcheck disable=SC2053
    for pattern in $allowed; do if [[ $action == $pattern ]]; then refused=0; fi; done
    # shellcheck disable=SC2053
    for pattern in $not_allowed; do if [[ $action == $pattern ]]; then refused=1; fi; done
    if ((!refused)); then granted=1; fi
  done <<<"$(printf %s "$permissions" | tr '[:upper:]' '[:lower:]' | tr -d '\r')"
  set +f
  ((granted)) || die "you may not assign roles in ${scope##*/}, which the deployment has to.
Ask an owner for the role Owner, or Role Based Access Control Administrator beside Contributor, on the resource group:
  az role assignment create --role 'Role Based Access Control Administrator' --assignee YOU --scope $scope"
}

# Ends with the cure of the error in the file $1, as far as it is known.
explain() {
  local cure='docs/deploy.md has more under "When a step fails"'
  case $(tr '[:upper:]\r\n' '[:lower:]  ' <"$1") in
    *'linked access check failed for capture'* | *messaginggatewaybadrequest*capture*)
      cure="who deploys an event hub with Capture must be allowed to write blobs to the Capture account. The template gives you the
role Storage Blob Data Contributor there, which can take minutes to be known: run this again. If it stays, ask for
Storage Blob Data Owner on that account" ;;
    *keyvaultparameterreferencesecretretrievefailed*) cure="who deploys needs the action Microsoft.KeyVault/vaults/deploy/action on the vault, which Contributor has" ;;
    *vaultalreadyexists* | *soft-deleted* | *'same name already exists in deleted state'*)
      cure="a deleted vault has this name. Keep its passwords with \`az keyvault recover --name NAME\`, or free the name with \`az keyvault purge --name NAME\`" ;;
    *roleassignmentexists*) cure="somebody gave one of these roles by hand. Delete that assignment: az role assignment list --resource-group $group --output table" ;;
    *tasksoperationsnotallowed*) cure="this subscription may not build in a registry, as is so on free credits. Give a published image: image=…" ;;
    *locationisofferrestricted* | *'location is restricted'* | *'restricted for provisioning'*)
      cure="this subscription gets no PostgreSQL in this region. Ask for it (https://aka.ms/postgres-request-quota-increase), or take another
region for all of it: a new group with -l, or location=…" ;;
    *'updates on container group'*'are invalid'*) cure="containers cannot be changed so in place. Delete their group, which holds nothing, and run this again:
  az container delete --resource-group $group --name deltawave" ;;
    *inaccessibleimage*) cure="the containers may not pull the image. Is it public, or in the registry of this deployment?" ;;
    *requestdisallowedbypolicy*) cure="a policy of your organisation forbids it: often public addresses, or keys of storage accounts" ;;
    *missingsubscriptionregistration*) cure="a provider is not registered: az provider register --namespace NAME --wait" ;;
    *quota* | *insufficientcapacity*) cure="the region has no more of it for you: another region with location=…, or ask for more" ;;
    *roleassignments/write*) cure="you may not assign roles: you need Role Based Access Control Administrator beside Contributor, on the resource group" ;;
  esac
  die "Azure refused, see above. To cure it: $cure"
}
