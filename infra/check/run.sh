#!/usr/bin/env bash
# Checks infra/ and docs/security.md with the Bicep compiler and without a cloud, then shows that each check fails on a
# planted mistake.
#
#   infra/check/run.sh           all of it
#   infra/check/run.sh --write   first formats, and writes the snapshots and the table of infra/README.md anew
#
# Needs the Bicep compiler and Python 3.11 or newer with venv; what else it needs goes into target/ci/infra.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The compiler: `bicep` on PATH, one that lies beside the checkout, or the one of the Azure CLI.
find_compiler() {
  local candidate
  for candidate in "$(command -v bicep || true)" ../shared/tools/bicep "${AZURE_CONFIG_DIR:-$HOME/.azure}/bin/bicep"; do
    if [[ -x $candidate ]]; then
      realpath "$candidate"
      return
    fi
  done
  echo "the Bicep compiler is not here: \`az bicep install --version v0.49.2\` brings it, or put one on PATH
(https://learn.microsoft.com/azure/azure-resource-manager/bicep/install)" >&2
  return 1
}

BICEP=$(find_compiler)
# The compiler does without a system's ICU.
export BICEP DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 PYTHONDONTWRITEBYTECODE=1
environment=target/ci/infra
wanted=infra/check/requirements.txt
if ! cmp -s "$wanted" "$environment/requirements.txt"; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  # --no-deps: the file is complete, and nothing is to be chosen anew.
  "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
  cp "$wanted" "$environment/requirements.txt"
fi
"$environment/bin/python" infra/check/check.py "$@"
"$environment/bin/python" infra/check/selftest.py
