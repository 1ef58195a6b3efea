#!/usr/bin/env bash
# clang-tidy with the checks of .clang-tidy as errors, and the warnings of clang with them.
#   scripts/tidy.sh                     files that differ from main
#   scripts/tidy.sh recent 10           the ten that were changed last, once each, fewer paths of long functions followed
#   scripts/tidy.sh all                 every file that is compiled, for each instruction set (some minutes)
#   scripts/tidy.sh cpp/core cpp/oks    those of some folders
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
cmake --preset clang -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" \
  -DPython_EXECUTABLE="$(command -v "$python")" >/dev/null

build=build/clang limit=()
case ${1-} in
  "") files=$(git diff --name-only --diff-filter=d "$(git merge-base HEAD main)" -- 'cpp/*.cpp') ;;
  recent)
    files=$(git log --name-only --format= -- 'cpp/*.cpp' | awk '!seen[$0]++' | head -n "$2" || true)
    build=build/clang/once
    for word in -Xclang -analyzer-config -Xclang max-nodes=50000; do limit+=("--extra-arg=$word"); done ;;
  all) files=$(git ls-files 'cpp/*.cpp') ;;
  *) files=$(git ls-files "${@/%//*.cpp}") ;;
esac
# build/clang/once reads a file that several targets compile as the last of them does: for the most instructions
"$python" - <<'PYTHON'
import json, pathlib
commands = json.loads(pathlib.Path("build/clang/compile_commands.json").read_text())
once = {command["file"]: command for command in commands}
pathlib.Path("build/clang/once").mkdir(exist_ok=True)
pathlib.Path("build/clang/once/compile_commands.json").write_text(json.dumps([*once.values()]))
pathlib.Path("build/clang/once/files").write_text("".join(f"{file}\n" for file in sorted(once)))
PYTHON
files=$(LC_ALL=C comm -12 build/clang/once/files <(sed "s|^|$PWD/|" <<<"$files" | LC_ALL=C sort -u) | grep -v third_party || true)
[[ -n $files ]] || { echo "tidy: nothing to read"; exit 0; }
xargs -P "${JOBS:-$(nproc)}" -n 1 clang-tidy -p "$build" "${limit[@]}" --quiet <<<"$files"
