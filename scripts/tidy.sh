#!/usr/bin/env bash
# clang-tidy with the checks of .clang-tidy as errors, and the warnings of clang with them.
#   scripts/tidy.sh                     files that differ from main
#   scripts/tidy.sh recent 10           the ten that were changed last
#   scripts/tidy.sh all                 every file that is compiled (some minutes)
#   scripts/tidy.sh cpp/core cpp/oks    those of some folders
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
cmake --preset clang -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" \
  -DPython_EXECUTABLE="$(command -v "$python")" >/dev/null

case ${1-} in
  "") files=$(git diff --name-only --diff-filter=d "$(git merge-base HEAD main)" -- 'cpp/*.cpp') ;;
  recent) files=$(git log --name-only --format= -- 'cpp/*.cpp' | awk '!seen[$0]++' | head -n "$2" || true) ;;
  all) files=$(git ls-files 'cpp/*.cpp') ;;
  *) files=$(git ls-files "${@/%//*.cpp}") ;;
esac
# a file that several targets compile is read once, as the first of them does
compiled=$(grep -o '"file": "[^"]*"' build/clang/compile_commands.json | cut -d'"' -f4 | sort -u)
files=$(comm -12 <(printf '%s\n' "$compiled") <(sed "s|^|$PWD/|" <<<"$files" | sort -u) | grep -v third_party || true)
[[ -n $files ]] || { echo "tidy: nothing to read"; exit 0; }
xargs -P "${JOBS:-$(nproc)}" -n 1 clang-tidy -p build/clang --quiet <<<"$files"
