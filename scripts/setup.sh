#!/usr/bin/env bash
# Installs tamis with what its tests and benchmarks need into the Python on PATH. On Debian and Ubuntu it adds the
# system's simdjson (and a compiler) first where that is allowed; without simdjson JSON is read by Python, slower.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

has_simdjson() { [[ -n $(find /usr/include /usr/local/include -maxdepth 1 -name simdjson.h 2>/dev/null) ]]; }

if ! has_simdjson && command -v apt-get >/dev/null; then
  sudo=()
  [[ $(id -u) == 0 ]] || sudo=(sudo -n)
  { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" apt-get install -y -qq libsimdjson-dev g++ python3-dev; } >/dev/null ||
    echo "setup: libsimdjson-dev could not be installed; COCO files will be read by Python's json" >&2
fi
python3 -m pip install --quiet ".[test,bench]"
