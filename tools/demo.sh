#!/usr/bin/env bash
# Builds the command in Release and shows the main job. Arguments go to `colloquy demo`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Standard output belongs to the demonstration (--json), so the build talks to standard error.
tools/deps.sh --quiet >&2
mkdir -p build
log=build/demo.log
echo "building (the first time takes a few minutes; log: $log)" >&2
if ! { cmake --preset release && cmake --build --preset release --target colloquy_tool; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "tools/demo.sh: the build failed; the whole log is $log" >&2
    exit 1
fi
exec build/release/bin/colloquy demo "$@"
