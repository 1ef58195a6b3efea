#!/usr/bin/env bash
# Which lines of Python and C++ the tests reach:  scripts/coverage.sh [pytest arguments]
# A report, no gate. Needs pybind11, pytest, coverage and gcovr in the Python on PATH, and GCC.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(command -v python3)
cmake --preset coverage -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" -DPython_EXECUTABLE="$python" >/dev/null
cmake --build --preset coverage
site=$PWD/build/coverage/site
rm -rf "$site"
mkdir -p "$site"
cp -r python/tamis python/tamis_pytest "$site/"
cp --remove-destination build/coverage/_*.so "$site/tamis/"  # python/tamis may hold links to a build
find build/coverage -name '*.gcda' -delete
status=0
PYTHONPATH=$site "$python" -m coverage run --source="$site/tamis" --data-file=build/coverage/python \
  -m pytest -q -p no:cacheprovider "$@" || status=$?
"$python" -m coverage report --data-file=build/coverage/python --skip-covered | tail -40
# threads leave gcov with counts below 0 or absurd ones (GCC bug 68080)
"$python" -m gcovr --root . --filter cpp/ --exclude cpp/third_party --object-directory build/coverage \
  --gcov-ignore-errors=all --gcov-ignore-parse-errors=all --print-summary | tail -200
exit "$status"
