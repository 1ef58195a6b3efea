#!/bin/sh
# Fuzzes the COCO JSON readers and the masks: scripts/fuzz.sh [seconds], or only builds: scripts/fuzz.sh build. Needs
# clang with libFuzzer (libclang-rt-dev).
# The C++ tests, where doctest is, run first on the same build: the core with its sanitizers and the warnings of clang.
# Which lines both reach goes to build/coverage-cpp.json (scripts/coverage_table.py shows it).
# The corpus stays in build/fuzz/corpus and grows from run to run; a failing input is written to build/fuzz.
set -eu
seconds=${1:-60}
cd "$(dirname "$0")/.."
cmake -S . -B build/fuzz -DCMAKE_CXX_COMPILER="${CXX:-clang++}" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTAMIS_FUZZ=ON \
  -DTAMIS_TESTS=ON -DTAMIS_PYTHON=OFF -DTAMIS_WERROR=ON \
  -DCMAKE_CXX_FLAGS="-fprofile-instr-generate -fcoverage-mapping"
cmake --build build/fuzz --parallel "${JOBS:-$(nproc)}"
if [ "$seconds" = build ]; then exit; fi
cd build/fuzz
rm -f ./*.profraw
export LLVM_PROFILE_FILE="$PWD/%p.profraw"
ctest --output-on-failure

mkdir -p corpus
seed() { printf '%s' "$2" > "corpus/seed-$1"; }
result='{"image_id":1,"category_id":2,"bbox":[1,2.5,3,4],"score":0.5}'
annotation='{"id":1,"image_id":1,"category_id":2,"bbox":[1,2,3,4],"area":12.5,"iscrowd":0}'
crowd='{"id":2,"image_id":1,"category_id":2,"bbox":[1,2,3,4],"area":1,"iscrowd":true,"segmentation":{"counts":[1],"size":[2,2]}}'
mask='{"image_id":1,"category_id":2,"segmentation":{"counts":"123","size":[2,3]},"score":0.5}'
person='{"image_id":1,"category_id":2,"keypoints":[1,2.5,2,4,5,0],"num_keypoints":1,"score":0.5}'
shape='{"id":1,"image_id":1,"segmentation":[[1,2,3,4,5,6],[1,2,3.5,4,5]],"keypoints":[1,2,3],"num_keypoints":1}'
seed masks "[$mask,$mask ,$mask]"
seed people "[$person,$person ,$person]"
long='{"image_id":1,"category_id":2,"keypoints":[1.25, 340.5, -2, 0.0, -0, 10.125, 7, 8, 999999, 12.34, 5.6, 1.0, 3, 2, 1, 0.5, 100.25, 2.0, 4, 5, 6],"score":0.5}'
seed people-long "[$long, $long]"
seed shapes "{\"images\":[{\"id\":1,\"height\":4,\"width\":5}],\"annotations\":[$shape,$shape,$shape],\"categories\":[{\"id\":2}]}"
seed results "[$result, $result ,$result]"
seed results-text "[$result,{\"s\":\"},{\",\"image_id\":1,\"category_id\":2,\"bbox\":[1,2,3,4],\"score\":1},$result]"
seed results-nested "[$result,{\"n\":[{\"id\":1},{\"id\":2},{\"id\":3}]},$result]"
seed placeholder "[$result,{\"\$\":0},{\"\\u0024\":1},$result]"
seed dataset "{\"images\":[{\"id\":1},{\"id\":2},{\"id\":3}],\"annotations\":[$annotation,$crowd,$annotation],\"categories\":[{\"id\":2}]}"
seed dataset-twice "{\"images\":[{\"id\":1},{\"id\":2},{\"id\":3}],\"images\":[{\"id\":1}],\"other\":[{\"id\":1},{\"id\":2},{\"id\":3}]}"
cat > words <<'WORDS'
"},{"
"{}"
"{\"$\":0}"
"\"\\u0024\""
"\"images\":["
"\"annotations\":["
"\"categories\":["
"\"image_id\":"
"\"category_id\":"
"\"\\u0069d\":"
"\"bbox\":[1,2,3,4]"
"\"score\":"
"\"segmentation\":"
"\"counts\":"
"\"size\":[2,3]"
"\"keypoints\":"
"\"num_keypoints\":"
"\"height\":"
"\"width\":"
"\"area\":"
"\"iscrowd\":"
"\"caption\":"
"9223372036854775808"
"1e400"
"-0.0"
"NaN"
"true"
"null"
"\\ud800"
WORDS
mkdir -p mask-corpus
mask() { printf '%b' "$2" > "mask-corpus/seed-$1"; }
mask two '\\005\\007S1T1\\n0T2O'
mask empty-runs '\\004\\006600\\n0600'
mask long '\\077\\077oooooo3\\n0P'
./coco_json_fuzz -max_total_time="$seconds" -max_len=2048 -timeout=20 -dict=words -print_final_stats=1 corpus & json=$!
./mask_iou_fuzz -max_total_time="$seconds" -max_len=256 -timeout=20 -print_final_stats=1 mask-corpus
wait "$json"
if command -v llvm-profdata >/dev/null; then
  llvm-profdata merge -sparse -o all.profdata ./*.profraw
  set -- -object ./mask_iou_fuzz
  if [ -x tamis_tests ]; then set -- "$@" -object ./tamis_tests; fi  # where doctest is
  llvm-cov export -summary-only -instr-profile=all.profdata ./coco_json_fuzz "$@" >../coverage-cpp.json
fi
