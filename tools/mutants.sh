#!/usr/bin/env bash
# Plants the bugs of tests/sim/mutants one after the other in a copy of the sources, and sees to it that the simulator
# complains of each. How stands in tools/mutants.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec python3 tools/mutants.py "$@"
