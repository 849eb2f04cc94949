#!/usr/bin/env bash
# Installs what the interoperability tests and the comparison benchmark run: two versions of geth, go-ethereum's tool
# devp2p with its conformance tests, our own Go programs on go-ethereum's packages, our Rust program on sigp's crate discv5,
# the name server NSD, the router miniupnpd and the STUN server coturn (with apt-get), and Prometheus' client for Python
# (with pip).
# Run it again after a change; what is there is not built again.
#
#   PEERLANE_TOOLS   where to put it; default ~/.cache/peerlane-tools
set -euo pipefail

tools=${PEERLANE_TOOLS:-$HOME/.cache/peerlane-tools}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if ! command -v go >/dev/null; then
  echo "setup-interop: Go 1.24 or newer is needed (https://go.dev/dl/), and there is no 'go' in PATH" >&2
  exit 1
fi

# A command of go-ethereum.
install_command() {
  local name=$1 version=$2
  local directory=$tools/$name-v$version
  # `|| true`: a binary that does not run is installed again.
  if [[ "$("$directory/$name" --version 2>/dev/null || true)" == "$name version $version-stable"* ]]; then
    echo "$name $version is at $directory/$name"
    return
  fi
  echo "installing $name $version (some minutes)"
  mkdir -p "$directory"
  GOBIN=$directory go install "github.com/ethereum/go-ethereum/cmd/$name@v$version"
  echo "$name $version is at $directory/$name"
}

build_program() {
  local name=$1 source=$2
  (cd "$root/$source" && go build -trimpath -buildvcs=false -o "$tools/$name" .)
  echo "$name is at $tools/$name"
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_nsd() {
  if PATH="$PATH:/usr/local/sbin:/usr/sbin" command -v nsd; then return; fi
  if ! command -v apt-get >/dev/null; then
    echo "setup-interop: NSD is needed (https://nlnetlabs.nl/projects/nsd/), and there is no 'nsd' in PATH" >&2
    exit 1
  fi
  apt_install nsd
  # The tests run their own; the service of the package is not wanted.
  as_root systemctl disable --now nsd 2>/dev/null || true
}

# Prometheus' client for Python, whose parsers read what is written of metrics.
install_prometheus_client() {
  local version=0.26.0
  if [[ -d $tools/python/prometheus_client-$version.dist-info ]]; then
    echo "prometheus-client $version is at $tools/python"
    return
  fi
  if ! python3 -m pip --version >/dev/null 2>&1; then
    if ! command -v apt-get >/dev/null; then
      echo "setup-interop: pip for Python 3 is needed, and there is no 'python3 -m pip'" >&2
      exit 1
    fi
    apt_install python3-pip
  fi
  rm -rf "$tools/python"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$tools/python" \
    "prometheus-client==$version"
  echo "prometheus-client $version is at $tools/python"
}

# The router and the STUN server of the tests of mappings, and what makes their network namespaces.
install_nat() {
  local need=()
  have() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null; }
  have miniupnpd || need+=(miniupnpd-nftables)
  have turnserver || need+=(coturn)
  have nft || need+=(nftables)
  have ss || need+=(iproute2)
  if [[ ${#need[@]} == 0 ]]; then return; fi
  if ! command -v apt-get >/dev/null; then
    echo "setup-interop: needed, and there is no apt-get to install them: ${need[*]}" >&2
    exit 1
  fi
  apt_install "${need[@]}"
  # As for NSD.
  as_root systemctl disable --now miniupnpd coturn 2>/dev/null || true
}

# The compiler of our Rust program. Debian's `cargo` and `rustc` are too old for the crate; `cargo-web` and `rustc-web` are
# what it builds its browsers with, and follow Rust's releases.
install_rust() {
  local oldest=1.89
  have_rust() {
    local version
    version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) && [[ $version != '' ]] && rustc --version >/dev/null 2>&1 &&
      [[ $(printf '%s\n' "$oldest" "$version" | sort -V | head -n 1) == "$oldest" ]]
  }
  if have_rust; then return; fi
  if command -v apt-get >/dev/null; then
    apt_install cargo-web rustc-web
    # Before those of rustup, which may have no toolchain, or an old one.
    PATH=/usr/bin:$PATH
    hash -r
  fi
  if ! have_rust; then
    echo "setup-interop: Rust $oldest or newer is needed, and there is no such 'cargo' and 'rustc' in PATH" >&2
    exit 1
  fi
}

build_rust_program() {
  local name=$1 source=$2
  install_rust
  # Not in the source tree: a fresh clone then builds only what has changed.
  CARGO_TARGET_DIR=$tools/cargo-target cargo build --quiet --release --locked --manifest-path "$root/$source/Cargo.toml"
  install -m 755 "$tools/cargo-target/release/$name" "$tools/$name"
  echo "$name is at $tools/$name"
}

mkdir -p "$tools"
install_nsd
install_prometheus_client
install_nat
install_command geth 1.16.8
install_command geth 1.17.5
install_command devp2p 1.17.5
build_program devp2p-peer test/interop/go
build_program bench-go bench/peers
build_rust_program discv5-peer test/interop/rust
