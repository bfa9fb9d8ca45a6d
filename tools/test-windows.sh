#!/usr/bin/env bash
# Builds for 64-bit Windows by MinGW-w64 and runs the tests under Wine, in a prefix of their own that needs no display.
# The last line is "N passed, N failed", counting test cases; exit 0 only when nothing failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
    "") ;;
    --help | -h) echo "usage: tools/test-windows.sh"; exit 0 ;;
    *) echo "tools/test-windows.sh: unknown argument '$1' (try --help)" >&2; exit 2 ;;
esac

tools/deps.sh --windows --quiet || exit 1
directory=$PWD/build/windows-test log=$PWD/build/windows-test.log results=$PWD/build/windows-test.xml
mkdir -p "$directory"
rm -f "$results"
jobs=$(nproc)
start=$SECONDS

# The prefix is made anew, so that no earlier run can matter, while the compiler works. It has no debugger, with which a
# program that crashes would end with 0.
export WINEPREFIX=$directory/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml,winedbg.exe="
unset DISPLAY
rm -rf "$WINEPREFIX"
timeout 300 wine wineboot -i >"$directory/wineboot.log" 2>&1 &
prefix_maker=$!
leave() { timeout 60 wineserver -k >/dev/null 2>&1; }
trap leave EXIT

# The command of this machine, for conversations with that of Windows: in the tree of tools/test.sh, which has it when
# its tests were run before.
native=$PWD/build/release-test
if ! { cmake -S . -B "$native" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
    -DCOLLOQUY_WERROR=ON && cmake --build "$native" -j "$jobs" --target colloquy_tool; } >"$log" 2>&1 ||
    ! { cmake -S . -B "$directory" -G Ninja --toolchain cmake/toolchains/mingw-w64-x86_64.cmake \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCOLLOQUY_WERROR=ON \
    -DCOLLOQUY_CHECK_HEADERS=OFF -DCOLLOQUY_NATIVE_TOOL="$native/bin/colloquy" &&
    cmake --build "$directory" -j "$jobs"; } >>"$log" 2>&1; then
    grep -E 'error|Error|FAILED' "$log" | head -n 20 >&2
    wait "$prefix_maker"
    echo "windows: build failed after $((SECONDS - start)) s; see $log"
    echo "0 passed, 1 failed"
    exit 1
fi
built=$((SECONDS - start))
if ! wait "$prefix_maker"; then
    tail -n 5 "$directory/wineboot.log" >&2
    echo "windows: Wine made no prefix; see $directory/wineboot.log"
    echo "0 passed, 1 failed"
    exit 1
fi

timeout 1200 ctest --test-dir "$directory" -j "$jobs" --no-tests=error --output-junit "$results" \
    --test-output-size-passed 2000000 --test-output-size-failed 2000000 --output-on-failure >>"$log" 2>&1
status=$?
counts=$(python3 tools/count_tests.py "$results" "$status") || counts="0 1"
if [ "${counts#* }" != 0 ]; then
    grep -E 'ERROR:|\*\*\*|COLLOQUY_SEED|^[A-Za-z_./]+:[0-9]+: ' "$log" | head -n 40 >&2
fi
echo "windows: ${counts% *} passed, ${counts#* } failed (build $built s, tests $((SECONDS - start - built)) s; $log)"
echo "${counts% *} passed, ${counts#* } failed"
[ "${counts#* }" = 0 ]
