#!/bin/sh
# wine.sh WINE PROGRAM ARGUMENT...: becomes PROGRAM under Wine.
#
# The first program of a prefix starts Wine's own processes, which keep its standard error for as long as any program
# runs, and whoever reads that to its end, as ctest does, waits for them. So they get a file without a name, and what is
# written there is passed on until the program has ended.
said=$(mktemp) || exit 125
exec 3>"$said" 4<"$said"
rm -f "$said"
tail -n +1 -s 0.1 -f --pid=$$ <&4 >&2 3>&- 4<&- &
exec "$@" 2>&3 3>&- 4<&-
