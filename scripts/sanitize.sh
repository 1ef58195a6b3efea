#!/usr/bin/env bash
# Runs tests under a sanitizer:  scripts/sanitize.sh asan|tsan[-device] [pytest arguments]
# Or the fuzzer:                 scripts/sanitize.sh asan scripts/fuzz_api.py [arguments]
# With asan-avx512 the code for AVX-512, VNNI and AMX runs on any CPU with AVX2 (tests/cpp/avx512.hpp).
# With -device the device code runs on the host (-m gpu), where tsan sees races of a block and asan reads past arrays.
# The build lands in build/<preset>; the Python on PATH must have pybind11, pytest and the test packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=$1
shift
python=$(command -v python3)
cmake --preset "$preset" -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -DPython_EXECUTABLE="$python" >/dev/null
cmake --build --preset "$preset"

site=$PWD/build/$preset/python
rm -rf "$site"
cp -r python "$site"
cp --remove-destination "build/$preset"/_*.so "$site/tamis/"  # not through a link to another build
# Before an editable installation, in processes that tests start too
cat >"$site/sitecustomize.py" <<'PYTHON'
import sys
sys.meta_path[:] = [m for m in sys.meta_path if "ScikitBuild" not in type(m).__name__]
PYTHON

runtime=$([[ $preset == tsan* ]] && echo libtsan.so || echo libasan.so)
preload="$(g++ -print-file-name="$runtime") $(g++ -print-file-name=libstdc++.so)"
# Reports go to files: pytest, and tests that start processes, capture what is printed
reports=$PWD/build/$preset/report
rm -f "$reports".*
# pycocotools reads one byte past the texts of empty masks, and of those whose counts all need six characters
# Threads of PyTorch's gloo race when their work is given back
[[ $preset == tsan* ]] && known=$'race:PyBytes_FromString\nrace:c10d::' || known=interceptor_via_lib:pycocotools
echo "$known" >"$site/suppressions"
# Python itself leaks on purpose
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$reports:suppressions=$site/suppressions
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$reports
export TSAN_OPTIONS=halt_on_error=1:report_signal_unsafe=0:die_after_fork=0:log_path=$reports:suppressions=$site/suppressions
# the driver of a browser does not start with a sanitizer in it, which takes memory of its own
left_out="--ignore=tests/reports/test_browser.py --deselect=tests/regions/test_masks_wide.py::test_huge_images_take_little_memory"
# a caller that writes into arrays during a call races with it: the test is that nothing worse happens
[[ $preset != tsan* ]] || left_out+=" --deselect=tests/house/test_threads.py::test_arrays_that_another_thread_writes_into"
# TSan does not see how the threads of OpenBLAS and libgomp wait for each other
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
sanitized() { PYTHONPATH=$site LD_PRELOAD=$preload "$python" "$@"; }
sanitized -c "import tamis; assert tamis.__file__.startswith('$site'), tamis.__file__"
status=0
if [[ ${1-} == *.py && $1 == scripts/* ]]; then
  sanitized "$@" || status=$?
else
  sanitized -m pytest -q -p no:cacheprovider $left_out "$@" || status=$?
fi
# more than the notice of AddressSanitizer that it does not know the stacks of the emulation
if grep -qsE "ERROR: |WARNING: Thread|runtime error" "$reports".*; then
  cat "$reports".* >&2
  exit 1
fi
exit "$status"
