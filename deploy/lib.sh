#!/usr/bin/env bash
# What deploy.sh and teardown.sh share. They run with the bash 3.2 of macOS too.

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Goes on only if the answer is the word that was asked for.
confirm() {
  local question=$1 word=$2 answer=''
  if ((${assume_yes:-0})); then return 0; fi
  printf '%s Type %s to go on: ' "$question" "$word"
  # Without a terminal there may be no answer, which is no.
  read -r answer || true
  [[ -t 0 ]] || printf '\n'
  [[ $answer == "$word" ]]
}

need_azure() {
  command -v az >/dev/null ||
    die "the Azure CLI (az) is not on PATH. Install the Azure CLI: https://learn.microsoft.com/cli/azure/install-azure-cli"
  # shellcheck disable=SC2034 # for those who source this
  subscription=$(az account show --query id --output tsv 2>/dev/null) ||
    die "the Azure CLI is not logged in. Run \`az login\`, and \`az account set --subscription NAME\` if you have several"
}

# bash says true, PowerShell's az True.
group_exists() {
  case $(az group exists --name "$1" --output tsv | tr -d '\r') in [Tt]rue) ;; *) return 1 ;; esac
}
