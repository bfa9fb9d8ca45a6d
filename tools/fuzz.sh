#!/usr/bin/env bash
# Fuzzes for a while: each target of tests/fuzz in turn, under the address and undefined-behaviour sanitizers, from the
# kept inputs. New inputs that reach new code are merged into them; what fails is left in build/fuzz and named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=60
targets=()
keep=0
coverage=0
while [ $# -gt 0 ]; do
    case "$1" in
        --keep) keep=1 ;;
        --coverage) coverage=1 ;;
        --help | -h)
            echo "usage: tools/fuzz.sh [--keep] [SECONDS] [TARGET ...]"
            echo "       tools/fuzz.sh --coverage [TARGET ...]"
            echo "  SECONDS  for each target (60)"
            echo "  TARGET   wire, session, configuration, calls (all)"
            echo "  --keep   merges what reaches new code into tests/fuzz/corpus"
            echo "  --coverage  says how many lines of runtime/ the kept inputs alone reach; no fuzzing"
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
if [ "$coverage" = 1 ]; then
    cmake -S . -B build/coverage -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang \
        -DCMAKE_CXX_COMPILER=clang++ "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g" \
        "-DCMAKE_CXX_FLAGS=-fprofile-instr-generate -fcoverage-mapping" -DCOLLOQUY_BUILD_TOOLS=OFF \
        -DCOLLOQUY_BUILD_BENCHES=OFF -DCOLLOQUY_BUILD_EXAMPLES=OFF -DCOLLOQUY_CHECK_HEADERS=OFF >/dev/null
    binaries=("${targets[@]/#/colloquy_}")
    binaries=("${binaries[@]/%/_fuzz}")
    cmake --build build/coverage --target "${binaries[@]}" >/dev/null
    reached=()
    for target in "${targets[@]}"; do
        binary=build/coverage/bin/colloquy_${target}_fuzz
        data=build/coverage/$target
        LLVM_PROFILE_FILE=$data.profraw "$binary" --mutations 0 "tests/fuzz/corpus/$target" >"$data.log" 2>&1
        llvm-profdata merge -o "$data.profdata" "$data.profraw"
        llvm-cov export -format=lcov -instr-profile "$data.profdata" "$binary" >"$data.lcov" 2>"$data.log"
        reached+=("$data.lcov")
    done
    python3 - "${reached[@]}" <<'END'
import os
import sys

lines = {}  # by file: line, whether it was reached by any target
for path in sys.argv[1:]:
    with open(path) as text:
        for row in text:
            if row.startswith("SF:"):
                file = os.path.relpath(os.path.normpath(row[3:].strip()))
            elif row.startswith("DA:") and file.startswith("runtime/"):
                number, count = row[3:].split(",")[:2]
                known = lines.setdefault(file, {})
                known[int(number)] = known.get(int(number), False) or int(count) != 0


def total(name, files):
    count = sum(len(lines[f]) for f in files)
    reached = sum(sum(lines[f].values()) for f in files)
    print(f"{reached:6} of {count:6} lines, {100 * reached / max(count, 1):5.1f} %  {name}")


for name in sorted(lines):
    total(name, [name])
decodes = [f for f in lines if f.startswith("runtime/wire/")]
total("what decodes (runtime/wire)", decodes)
total("the engine (the rest of runtime)", [f for f in lines if f not in decodes])
if os.environ.get("MISSED"):
    for name in sorted(decodes):
        print(name, "misses", [n for n, r in sorted(lines[name].items()) if not r])
END
    exit 0
fi
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
