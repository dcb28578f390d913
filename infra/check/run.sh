#!/usr/bin/env bash
# Checks infra/ and docs/security.md, then shows that each check fails on a planted mistake.
# Needs Python 3.11 or newer with venv; what else it needs goes into target/ci/infra.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
environment=target/ci/infra
wanted=infra/check/requirements.txt
if ! cmp -s "$wanted" "$environment/requirements.txt"; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  # --no-deps: the file is complete, and nothing is to be chosen anew.
  "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
  cp "$wanted" "$environment/requirements.txt"
fi
export PYTHONDONTWRITEBYTECODE=1
"$environment/bin/python" infra/check/check.py
"$environment/bin/python" infra/check/selftest.py
