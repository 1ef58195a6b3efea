#!/usr/bin/env bash
# Builds tamis with CUDA, then runs the GPU tests, compute-sanitizer and the GPU benchmarks. Needs a GPU, the CUDA
# toolkit, CMake, pybind11, NumPy, pytest, hypothesis, PyTorch and CuPy (torchmetrics is compared with where it is, and
# indices of faiss-gpu are tested and timed); no network, and nothing is installed.
#   scripts/gpu_check.sh            PYTHON=python3.12 scripts/gpu_check.sh
# Steps can be chosen: STEPS="build tests benchmarks sanitizer" is the default. A step that fails does not keep the next
# from running, and all of them end within MOST_SECONDS.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
steps=" ${STEPS:-build tests benchmarks sanitizer} "
most=${MOST_SECONDS:-530}
failed=()
build=$PWD/build/gpu
export PYTHONPATH=$build/site${PYTHONPATH:+:$PYTHONPATH}
export PYTHONDONTWRITEBYTECODE=1

say() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
die() { printf 'gpu_check: %s\n' "$1" >&2; exit 1; }
wants() { [[ $steps == *" $1 "* ]]; }
step() { say "$1"; "${@:2}" || failed+=("$1"); }
at_most() { # so many seconds, and no more than are left
  local left=$((most - SECONDS))
  timeout "$((left < 1 ? 1 : left < $1 ? left : $1))" "${@:2}"
}

architecture() { # 80 for compute capability 8.0, 90a with all that 9.0 has; CUDA_ARCHITECTURE overrides it
  if [[ -n ${CUDA_ARCHITECTURE:-} ]]; then
    echo "$CUDA_ARCHITECTURE"
  else
    nvidia-smi --query-gpu=compute_cap --format=csv,noheader --id=0 | tr -d '. ' | sed 's/^90$/90a/'
  fi
}

find_nvcc() { # the toolkit is often installed beside PATH
  command -v nvcc >/dev/null && return
  [[ -x /usr/local/cuda/bin/nvcc ]] || die "nvcc is neither on PATH nor in /usr/local/cuda/bin"
  export PATH=/usr/local/cuda/bin:$PATH
}

build_all() {
  local arch generator=()
  arch=$(architecture) || die "nvidia-smi failed; set CUDA_ARCHITECTURE, for example to 90a"
  command -v ninja >/dev/null && generator=(-G Ninja)
  cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DTAMIS_CUDA=ON \
    -DCMAKE_CUDA_ARCHITECTURES="$arch-real" -DPython_EXECUTABLE="$(command -v "$python")" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)"
  cmake --build "$build" --parallel "${JOBS:-$(nproc)}"
  rm -rf "$build/site"
  cmake --install "$build" --prefix "$build/site"
  cp python/tamis/*.py "$build/site/tamis/"
  find python/tamis -mindepth 1 -type d ! -name __pycache__ -exec cp -r {} "$build/site/tamis/" \;
}

check_import() {
  "$python" - "$build/site" <<'PY'
import sys, tamis
from pathlib import Path
if not Path(tamis.__file__).is_relative_to(sys.argv[1]):
    sys.exit(f"gpu_check: another tamis is imported ({tamis.__file__}): uninstall it or set PYTHON")
from tamis import _cuda
PY
}

check_gpu() {
  "$python" - <<'PY'
import sys
import cupy, torch
if not torch.cuda.is_available():
    sys.exit("gpu_check: PyTorch sees no CUDA device")
cupy.cuda.runtime.getDevice()
print(torch.cuda.get_device_name(), "torch", torch.__version__, "cupy", cupy.__version__)
PY
}

# ignore DeprecationWarnings raised between third-party libraries
gpu_tests=("$python" -m pytest -q -p no:cacheprovider -W ignore::DeprecationWarning -m gpu)

run_tests() { # a process for each file: an error that stays with one's device is not seen by the others
  local seconds=$((most - SECONDS)) logs=$build/logs good=0
  rm -rf "$logs" && mkdir "$logs"
  grep -l 'gpu_library\|mark.gpu' tests/*/test_*.py | xargs -P "${TEST_JOBS:-8}" -I{} bash -c '
    timeout "$1" "${@:4}" "$2" >"$3/${2##*/}.log" 2>&1 || [ $? = 5 ]' _ "$((seconds < 210 ? seconds : 210))" {} \
    "$logs" "${gpu_tests[@]}" || good=$?  # 5: a file whose tests are all skipped
  tail -n +1 "$logs"/*.log | grep -v "^SKIPPED"
  say "tests, by file"
  for log in "$logs"/*.log; do printf '%s: %s\n' "$(basename "$log" .py.log)" "$(tail -n 1 "$log")"; done
  return "$good"
}

sanitize() { # caching off: a read past an array must not land in the allocator's pool
  local tool=$1 sanitizer=compute-sanitizer
  command -v "$sanitizer" >/dev/null || sanitizer=/usr/local/cuda/bin/compute-sanitizer
  [[ -x $(command -v "$sanitizer") ]] || die "compute-sanitizer not found"
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 at_most 120 "$sanitizer" --tool "$tool" --error-exitcode 9 \
    "${gpu_tests[@]}" tests -k "torch and (layouts or batched or by_hand or copies)"
}

if wants build; then
  say "build"
  find_nvcc
  build_all
fi
check_import
if wants tests || wants sanitizer || wants benchmarks; then check_gpu; fi
if wants tests; then step "tests" run_tests; fi
if wants benchmarks; then
  gpu=$("$python" -c "import torch; print(torch.cuda.get_device_name().lower().replace(' ', '_').replace('/', '_'))")
  step "benchmarks" at_most 240 "$python" benchmarks/gpu_all.py "benchmarks/results/$gpu.json"
fi
if wants sanitizer; then
  for tool in memcheck racecheck; do step "compute-sanitizer $tool" sanitize "$tool"; done
fi
say "done"
((${#failed[@]} == 0)) || die "failed: $(printf '%s; ' "${failed[@]}")"
