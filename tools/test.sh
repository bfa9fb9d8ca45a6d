#!/usr/bin/env bash
# Builds and tests everything: Release with gcc and warnings as errors, then the sanitizers with clang.
# The last line is "N passed, N failed", counting test cases; exit 0 only when nothing failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=0
for argument in "$@"; do
    case "$argument" in
        --quick) quick=1 ;;
        --help | -h)
            echo "usage: tools/test.sh [--quick]"
            echo "  --quick  only the Release build and its tests, without the sanitizers"
            exit 0
            ;;
        *) echo "tools/test.sh: unknown argument '$argument' (try --help)" >&2; exit 2 ;;
    esac
done

tools/deps.sh --quiet || exit 1
mkdir -p build
jobs=$(nproc)
passed=0
failed=0

# The thread sanitizer of older compilers cannot live with much address randomisation; switch it off where we may.
plain_addresses=()
if command -v setarch >/dev/null && setarch "$(uname -m)" -R true 2>/dev/null; then
    plain_addresses=(setarch "$(uname -m)" -R)
fi

# stage NAME LABELS CMAKE_ARGUMENT...: builds in build/NAME, runs ctest, adds to the totals. LABELS is a regular
# expression, empty for all.
stage() {
    local name=$1 labels=$2 directory=build/$1-test log=build/$1-test.log results=build/$1-test.xml
    shift 2
    local start=$SECONDS run=()
    rm -f "$results"
    if ! { cmake -S . -B "$directory" -G Ninja "$@" && cmake --build "$directory" -j "$jobs"; } >"$log" 2>&1; then
        grep -E 'error|Error|FAILED' "$log" | head -n 20 >&2
        failed=$((failed + 1))
        echo "$name: build failed after $((SECONDS - start)) s; see $log"
        return
    fi
    local built=$((SECONDS - start))
    [ "$name" = tsan ] && run=("${plain_addresses[@]}")
    "${run[@]}" ctest --test-dir "$directory" ${labels:+-L "$labels"} -j "$jobs" --no-tests=error \
        --output-junit "$PWD/$results" --test-output-size-passed 2000000 --test-output-size-failed 2000000 \
        --output-on-failure >>"$log" 2>&1
    local status=$? counts
    if ! counts=$(python3 tools/count_tests.py "$results" "$status"); then
        counts="0 1"
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    if [ "${counts#* }" != 0 ]; then
        grep -E 'ERROR:|\*\*\*|SUMMARY: |runtime error|COLLOQUY_SEED|^[A-Za-z_./]+:[0-9]+: ' "$log" | head -n 40 >&2
    fi
    echo "$name: ${counts% *} passed, ${counts#* } failed (build $built s, tests $((SECONDS - start - built)) s; $log)"
}

lean=(-DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
    "-DCMAKE_C_FLAGS_DEBUG=-O1 -g1" "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DCOLLOQUY_WERROR=ON
    -DCOLLOQUY_BUILD_TOOLS=OFF -DCOLLOQUY_BUILD_BENCHES=OFF -DCOLLOQUY_BUILD_EXAMPLES=OFF
    -DCOLLOQUY_CHECK_HEADERS=OFF)

stage release "" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ -DCOLLOQUY_WERROR=ON
if [ "$quick" = 0 ]; then
    stage tsan '^(schedule|unit|protocol|transport|api|async|cxx|random|security)$' "${lean[@]}" \
        -DCOLLOQUY_SANITIZE=thread
    stage asan "" "${lean[@]}" -DCOLLOQUY_SANITIZE=address,undefined
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
