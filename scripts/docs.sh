#!/usr/bin/env bash
# Builds the documentation into docs/_build/html, offline; a warning is an error. Needs: pip install ".[docs]"
# scripts/docs.sh [clean]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ${1:-} == clean ]]; then rm -rf docs/_build docs/api docs/gallery docs/benchmarks.md docs/sg_execution_times.rst; fi
[[ -d python/tamis && -n $(ls python/tamis/_core*.so 2>/dev/null) ]] && export PYTHONPATH=$PWD/python
TAMIS_NUM_THREADS=2 python3 -m sphinx -W --keep-going -q -b html docs docs/_build/html
python3 scripts/check_links.py docs/_build/html
echo "docs/_build/html: $(find docs/_build/html -name '*.html' | wc -l) pages"
