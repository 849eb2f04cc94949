#!/usr/bin/env bash
# Installs what the interoperability tests and the comparison benchmark run: two versions of geth, and our own Go
# programs on go-ethereum's packages. Run it again after a change; what is there is not built again.
#
#   PEERLANE_TOOLS   where to put it; default ~/.cache/peerlane-tools
set -euo pipefail

tools=${PEERLANE_TOOLS:-$HOME/.cache/peerlane-tools}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if ! command -v go >/dev/null; then
  echo "setup-interop: Go 1.24 or newer is needed (https://go.dev/dl/), and there is no 'go' in PATH" >&2
  exit 1
fi

install_geth() {
  local version=$1
  local directory=$tools/geth-v$version
  # `|| true`: a binary that does not run is installed again.
  if [[ "$("$directory/geth" version 2>/dev/null || true)" == *"Version: $version-stable"* ]]; then
    echo "geth $version is at $directory/geth"
    return
  fi
  echo "installing geth $version (some minutes)"
  mkdir -p "$directory"
  GOBIN=$directory go install "github.com/ethereum/go-ethereum/cmd/geth@v$version"
  echo "geth $version is at $directory/geth"
}

build_program() {
  local name=$1 source=$2
  (cd "$root/$source" && go build -trimpath -buildvcs=false -o "$tools/$name" .)
  echo "$name is at $tools/$name"
}

mkdir -p "$tools"
install_geth 1.16.8
install_geth 1.17.5
build_program devp2p-peer test/interop/go
build_program bench-go bench/peers
