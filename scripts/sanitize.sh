#!/usr/bin/env bash
# Runs tests under a sanitizer:  scripts/sanitize.sh asan|tsan[-device] [pytest arguments]
# With -device the device code runs on the host (-m gpu), where tsan sees races of a block and asan reads past arrays.
# The build lands in build/<preset>; the Python on PATH must have pybind11, pytest and the test packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=$1
shift
python=$(command -v python3)
cmake --preset "$preset" -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -DPython_EXECUTABLE="$python" >/dev/null
cmake --build --preset "$preset"

site=$PWD/build/$preset/site
rm -rf "$site"
mkdir -p "$site"
cp -r python/tamis "$site/"
cp "build/$preset"/_*.so "$site/tamis/"

runtime=$([[ $preset == tsan* ]] && echo libtsan.so || echo libasan.so)
# Python itself leaks on purpose; -S would lose site-packages, so only our path goes first
export LD_PRELOAD="$(g++ -print-file-name="$runtime") $(g++ -print-file-name=libstdc++.so)"
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:report_signal_unsafe=0
export TAMIS_SITE=$site
"$python" -c "
import os, sys
sys.meta_path = [m for m in sys.meta_path if 'ScikitBuild' not in type(m).__name__]
sys.path.insert(0, os.environ['TAMIS_SITE'])
import pytest, tamis
assert tamis.__file__.startswith(os.environ['TAMIS_SITE']), tamis.__file__
sys.exit(pytest.main(sys.argv[1:]))
" -q -p no:cacheprovider "$@"
