#!/usr/bin/env bash
# Fuzzes for a while: each target of tests/fuzz in turn, under the address and undefined-behaviour sanitizers, from the
# kept inputs. New inputs that reach new code are merged into them; what fails is left in build/fuzz and named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=60
targets=()
keep=0
while [ $# -gt 0 ]; do
    case "$1" in
        --keep) keep=1 ;;
        --help | -h)
            echo "usage: tools/fuzz.sh [--keep] [SECONDS] [TARGET ...]"
            echo "  SECONDS  for each target (60)"
            echo "  TARGET   wire, session, configuration, calls (all)"
            echo "  --keep   merges what reaches new code into tests/fuzz/corpus"
            exit 0
            ;;
        [0-9]*) seconds=$1 ;;
        wire | session | configuration | calls) targets+=("$1") ;;
        *) echo "tools/fuzz.sh: unknown argument '$1' (try --help)" >&2; exit 2 ;;
    esac
    shift
done
[ ${#targets[@]} != 0 ] || targets=(wire session configuration calls)

tools/deps.sh --quiet
cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g" -DCOLLOQUY_FUZZ=ON -DCOLLOQUY_SANITIZE=address,undefined \
    -DCOLLOQUY_BUILD_TOOLS=OFF -DCOLLOQUY_BUILD_BENCHES=OFF -DCOLLOQUY_BUILD_EXAMPLES=OFF \
    -DCOLLOQUY_CHECK_HEADERS=OFF >/dev/null
binaries=("${targets[@]/#/colloquy_}")
cmake --build build/fuzz --target "${binaries[@]/%/_fuzz}" >/dev/null

failed=0
for target in "${targets[@]}"; do
    kept=tests/fuzz/corpus/$target
    found=build/fuzz/found-$target
    mkdir -p "$found"
    log=build/fuzz/$target.log
    if build/fuzz/bin/colloquy_"$target"_fuzz -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=3000 \
        -artifact_prefix="build/fuzz/$target-" -print_final_stats=1 "$found" "$kept" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$target: $runs inputs in $seconds s, $(grep -oE 'cov: [0-9]+' "$log" | tail -n 1), nothing found"
    else
        failed=1
        echo "$target: FAILED, see $log"
        grep -E 'does not hold|ERROR:|SUMMARY|Test unit written' "$log" >&2 || true
    fi
    if [ "$keep" = 1 ]; then
        # By code reached alone: with how often, too, there would be ten times as many.
        merged=$(mktemp -d)
        build/fuzz/bin/colloquy_"$target"_fuzz -merge=1 -use_counters=0 -max_len=4096 \
            "$merged" "$kept" "$found" >>"$log" 2>&1
        rm -rf "$kept" && mv "$merged" "$kept" && chmod 755 "$kept"
    fi
done
exit "$failed"
