#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile where there is no Docker, by buildah, and starts its programs as its own user.
#
#   deploy/check/image.sh            without optimisation, which is faster
#   deploy/check/image.sh release    as it is shipped
#
# Needs root and apt. The two base images are made here: Debian by debootstrap, and Rust as that with what
# rust:…-slim-… has: ca-certificates, gcc, libc6-dev, and the toolchain of rust-toolchain.toml. So a package that
# the Dockerfile forgets is missing here as there. Everything is kept in target/ci/image; Cargo's target, too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly kept=$PWD/target/ci/image
# Chroot: without the name spaces that a machine in a container has not.
export BUILDAH_ISOLATION=chroot DEBIAN_FRONTEND=noninteractive

if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
  echo "image: SKIPPED, not built: this needs root and apt-get (with Docker: docker build -f deploy/Dockerfile .)"
  exit
fi

packages=()
for tool in buildah debootstrap; do
  command -v "$tool" >/dev/null || packages+=("$tool")
done
[[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || packages+=(debian-archive-keyring)
if ((${#packages[@]} > 0)); then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
# What was built with other packages shows nothing of those that are missing now.
cmp -s deploy/Dockerfile "$kept/Dockerfile" || rm -rf "$kept/target"
mkdir -p "$kept/target"
cp deploy/Dockerfile "$kept/Dockerfile"

b() {
  buildah --root "$kept/storage" --runroot "$kept/run" "$@"
}

# Runs in a container that is there, as root.
as_root() {
  b run --user 0:0 "$@"
}

debian=$(sed -nE 's/^FROM (debian:[^ ]+).*/\1/p' deploy/Dockerfile)
rust=$(sed -nE 's/^FROM (rust:[^ ]+).*/\1/p' deploy/Dockerfile)
suite=${debian#debian:} suite=${suite%-slim}

make_debian() {
  local mirror=http://deb.debian.org/debian tree=$kept/tree container
  # The machine's own mirror, unless it is another distribution's.
  if grep -qx 'ID=debian' /etc/os-release; then
    mirror=$({ cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null || true; } | sed -nE 's/^(URIs:|deb) +(http[^ ]+).*/\2/p' | sed -n 1p)
  fi
  echo "image: making $debian"
  rm -rf "$tree"
  debootstrap --variant=minbase "$suite" "$tree" "${mirror:-http://deb.debian.org/debian}" >"$kept/debootstrap.log" ||
    { tail -n 20 "$kept/debootstrap.log" >&2; return 1; }
  # How apt gets at it from here, such as by a proxy.
  grep -lE '^ *Acquire::' /etc/apt/apt.conf.d/* | while IFS= read -r conf; do cp "$conf" "$tree/etc/apt/apt.conf.d/"; done || true
  rm -rf "$tree"/var/cache/apt/archives/*.deb
  container=$(b from scratch)
  b add --quiet "$container" "$tree" / >/dev/null
  b commit --quiet --rm "$container" "docker.io/library/$debian" >/dev/null
  rm -rf "$tree"
}

make_rust() {
  local container toolchain
  toolchain=$(rustc --print sysroot)
  echo "image: making $rust of it and $toolchain"
  container=$(b from --pull-never "docker.io/library/$debian")
  as_root "$container" -- sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates gcc libc6-dev' >"$kept/rust.log" 2>&1 ||
    { tail -n 20 "$kept/rust.log" >&2; return 1; }
  for part in bin lib; do b copy --quiet "$container" "$(readlink -f "$toolchain")/$part" "/usr/local/rust/$part" >/dev/null; done
  # The crates come from this machine's registry, below.
  b config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env CARGO_HOME=/usr/local/cargo --env CARGO_NET_OFFLINE=true "$container"
  b commit --quiet --rm "$container" "docker.io/library/$rust" >/dev/null
}

present() {
  b images --quiet "docker.io/library/$1" >/dev/null 2>&1
}

present "$debian" || make_debian
present "$rust" || make_rust

# Cargo's own variables, by the base image: the Dockerfile is built as it stands.
speed=()
if [[ ${1:-} != release ]]; then
  speed=(--env CARGO_PROFILE_RELEASE_OPT_LEVEL=0 --env CARGO_PROFILE_RELEASE_LTO=off --env CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64)
fi
base=$(b from --pull-never "docker.io/library/$rust")
b config "${speed[@]+"${speed[@]}"}" "$base"
b commit --quiet --rm "$base" localhost/rust >/dev/null
cargo fetch --locked --quiet
echo "image: building deploy/Dockerfile (${1:-without optimisation})"
began=$SECONDS
b bud --pull-never --from localhost/rust --file deploy/Dockerfile --tag localhost/deltawave \
  --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/usr/local/cargo/registry" --volume "$kept/target:/src/target" . >"$kept/build.log" 2>&1 ||
  { tail -n 40 "$kept/build.log" >&2; echo "image: deploy/Dockerfile does not build" >&2; exit 1; }
echo "image: built in $((SECONDS - began)) s"

container=$(b from --pull-never localhost/deltawave)
guard=''
finish() {
  # Its whole process group: buildah does not hand a signal on.
  if [[ -n $guard ]]; then kill -TERM -- "-$guard" 2>/dev/null || true; wait "$guard" 2>/dev/null || true; fi
  b rm "$container" >/dev/null
  # Former images of the same names.
  local former
  b images --quiet --filter dangling=true | while IFS= read -r former; do b rmi "$former" >/dev/null || true; done
}
trap finish EXIT
# As the image says: its user, its variables.
inside() {
  b run "$container" -- "$@"
}
wrong() {
  echo "image: $*" >&2
  exit 1
}

version=$(sed -nE 's/^version = "(.*)"/\1/p' Cargo.toml | sed -n 1p)
for program in producer capture loader deltawave; do
  said=$(inside "$program" --version)
  [[ $said == *" $version" ]] || wrong "$program --version says $said, and Cargo.toml $version"
done
[[ $(inside id -u) == 10001 ]] || wrong "the user is $(inside id -u), not 10001"
# shellcheck disable=SC2016 # the variable is the image's
inside sh -c 'test -w "$HOME" && test ! -w /usr/local/bin' || wrong "the user may not write where it lives, or may where the programs are"
roots=$(inside sh -c 'grep -c BEGIN /etc/ssl/certs/ca-certificates.crt') || roots=0
((roots > 100)) || wrong "$roots roots for TLS"

# The health check, by the image's own command: well while nobody is to be asked, ill while nobody answers.
inside deltawave-health || wrong "deltawave-health fails without DELTAWAVE_HTTP"
! inside env DELTAWAVE_HTTP=127.0.0.1:9 deltawave-health 2>/dev/null || wrong "deltawave-health is content with a closed port"
# And what Azure and Kubernetes ask, which is HTTP and needs nothing in the image. The store is not there, so that this
# one is alive and not ready. Chroot isolation leaves it in the machine's own network.
address=127.0.0.1:$((20000 + RANDOM % 10000))
set -m
inside timeout 300 deltawave guard --store-url postgresql://root@127.0.0.1:9/dev --http "$address" >"$kept/guard.log" 2>&1 &
guard=$!
set +m
ask() {
  python3 -c 'import sys, urllib.request as r, urllib.error as e
try: print(r.build_opener(r.ProxyHandler({})).open("http://" + sys.argv[1], timeout=5).status)
except e.HTTPError as error: print(error.code)
except OSError: print(0)' "$1"
}
for _ in $(seq 60); do
  alive=$(ask "$address/healthz")
  [[ $alive == 0 ]] || break
  sleep 1
done
ready=$(ask "$address/readyz")
ill=0
inside env DELTAWAVE_HTTP="$address" deltawave-health 2>/dev/null || ill=1
[[ $alive == 200 && $ready == 503 && $ill == 1 ]] ||
  { tail -n 20 "$kept/guard.log" >&2; wrong "guard without a store: /healthz $alive, /readyz $ready, deltawave-health $ill; expected 200, 503, 1"; }
size=$(b images --format '{{.Size}}' localhost/deltawave)
echo "image: ok: four programs of version $version as user 10001, $roots roots, health checks; $size ($((SECONDS)) s)"
