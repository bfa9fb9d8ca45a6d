#!/bin/sh
# wine.sh WINE PROGRAM ARGUMENT...: becomes PROGRAM under Wine.
#
# The first program of a prefix starts Wine's own processes, which keep its standard error for as long as any program
# runs, and whoever reads that to its end, as ctest does, waits for them. So they get a file without a name, and what is
# written there is passed on until the program has ended.
said=$(mktemp) || exit 125
exec 3>"$said" 4<"$said"
rm -f "$said"

# Also when nobody has waited for it yet: who reads its output first may be who waits for it next.
ended() {
    [ -r "/proc/$1/status" ] || return 0
    while read -r key value _; do
        [ "$key" != State: ] || break
    done 2>/dev/null <"/proc/$1/status"
    [ "$value" = Z ] || [ "$value" = X ]
}
{
    until ended $$; do
        cat <&4
        sleep 0.1
    done
    cat <&4
} >&2 3>&- </dev/null &
exec "$@" 2>&3 3>&- 4<&-
