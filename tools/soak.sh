#!/usr/bin/env bash
# Builds the command and keeps a server of it under load and faults: tools/soak.sh 2h. Samples and plot are left in
# build/soak. What it does and asks for stands in tools/soak.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:---help}" in
    --help | -h)
        echo "usage: tools/soak.sh DURATION [--seed N] [--out DIRECTORY] [--every SECONDS]"
        echo "  DURATION  seconds, or a number with s, m or h"
        exit 0
        ;;
esac
tools/deps.sh --quiet
mkdir -p build
log=build/soak.log
if ! { cmake --preset release && cmake --build --preset release --target colloquy_tool; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "tools/soak.sh: the build failed; the whole log is $log" >&2
    exit 1
fi
exec python3 tools/soak.py build/release/bin/colloquy "$@"
