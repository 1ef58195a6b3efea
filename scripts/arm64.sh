#!/usr/bin/env bash
# Cross-compiles tamis for 64-bit ARM and runs the suite there by qemu-user. Needs Debian's g++-aarch64-linux-gnu,
# qemu-user, CMake and pip; an arm64 Python and its libraries are fetched into build/arm64. Nothing is installed.
#   scripts/arm64.sh                                     the rooms of regions and embeddings (emulated: slow)
#   scripts/arm64.sh tests/evaluation -k parity          what pytest is given instead
# QEMU_CPU chooses the processor: all there is without SVE (default), or "cortex-a72", which has no dot products.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
at=$PWD/build/arm64 root=$PWD/build/arm64/root site=$PWD/build/arm64/site
export QEMU_CPU=${QEMU_CPU:-max,sve=off} QEMU_LD_PREFIX=$root
export CCACHE_SLOPPINESS=pch_defines,time_macros  # what ccache asks for precompiled headers

fetch() { # an arm64 Python of this Debian, unpacked beside the system
  local of_arm=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$at/lists"
    -o Dir::Cache="$at/cache" -o APT::Sandbox::User="$(id -un)")
  mkdir -p "$at"/{lists,cache,debs}/partial "$root"
  apt-get "${of_arm[@]}" -qq update
  (cd "$at/debs" && apt-get "${of_arm[@]}" -qq download python3.11-minimal libpython3.11-minimal libpython3.11-stdlib \
    libpython3.11-dev libc6 libgcc-s1 libstdc++6 libffi8 libexpat1 zlib1g libssl3 libbz2-1.0 liblzma5 libsqlite3-0 \
    libuuid1 libcrypt1)
  for deb in "$at"/debs/*.deb; do dpkg -x "$deb" "$root"; done
}
starter() { # what sys.executable is: this kernel may not start an arm64 program by itself
  printf '#!/bin/sh\nexec qemu-aarch64 "%s" "$@"\n' "$root/usr/bin/python3.11" >"$at/python"
  chmod +x "$at/python"
  echo "import sys; sys.executable = '$at/python'" >"$site/sitecustomize.py"
}
wheels() { # what pip takes for that Python
  "$python" -m pip install -q --target "$site" --upgrade --only-binary=:all: --python-version 3.11 \
    --implementation cp --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux2014_aarch64 numpy pytest hypothesis pycocotools
}
build() {
  cmake -S . -B "$at/build" -DCMAKE_BUILD_TYPE=Release -DTAMIS_CUDA=OFF -DTAMIS_WERROR=ON \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache || true)" -DPYBIND11_USE_CROSSCOMPILING=ON \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -DPython_INCLUDE_DIR="$root/usr/include/python3.11" \
    -DCMAKE_CXX_FLAGS="-isystem $root/usr/include" -DPYTHON_MODULE_EXTENSION=.cpython-311-aarch64-linux-gnu.so
  cmake --build "$at/build" --parallel "${JOBS:-$(nproc)}"
  rm -rf "$site"/tamis{,_pytest}
  cp -r python/tamis{,_pytest} "$site"
  rm -f "$site"/tamis/*.so
  cp "$at"/build/_core.*.so "$site/tamis/"
}

[[ -x $root/usr/bin/python3.11 ]] || fetch
[[ -d $site/numpy ]] || wheels
starter
build
(($# > 0)) || set -- tests/regions tests/embeddings -m "not gpu"
cd tests
PYTHONPATH=$site PYTHONDONTWRITEBYTECODE=1 "$at/python" -m pytest -q -p no:cacheprovider \
  --rootdir "$PWD/.." -c "$PWD/../pyproject.toml" "${@/#tests/$PWD}"
