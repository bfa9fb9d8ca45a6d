#!/usr/bin/env bash
# Installs by apt what building and testing need on a fresh Debian 12. Does nothing, quickly, when all is there.
set -euo pipefail

quiet=0
windows=0
peers=0
for argument in "$@"; do
    case "$argument" in
        --quiet) quiet=1 ;;
        --windows) windows=1 ;;
        --peers) peers=1 ;;
        --help | -h)
            echo "usage: tools/deps.sh [--quiet] [--windows] [--peers]"
            echo "  --windows  also what building for Windows and running under Wine needs"
            echo "  --peers    also the libraries that bench/compare.py compares with"
            exit 0
            ;;
        *) echo "tools/deps.sh: unknown argument '$argument' (try --help)" >&2; exit 2 ;;
    esac
done
say() { [ "$quiet" = 1 ] || echo "$@"; }

packages=(
    build-essential g++ clang cmake ninja-build ccache pkg-config python3
    libconcurrentqueue-dev libmimalloc-dev libbenchmark-dev doctest-dev libtomlplusplus-dev libcli11-dev
    nlohmann-json3-dev libc-ares-dev libsqlite3-dev libssl-dev openssl libcrypt-dev libclang-rt-14-dev
    libuv1-dev libasio-dev libglib2.0-dev spin valgrind
)
if [ "$windows" = 1 ]; then
    packages+=(g++-mingw-w64-x86-64-posix g++-mingw-w64-i686-posix wine wine64)
fi

if [ "$peers" = 1 ]; then
    packages+=(libzmq3-dev libnng-dev libgrpc++-dev libprotobuf-dev protobuf-compiler-grpc)
fi

if ! command -v dpkg-query >/dev/null; then
    echo "tools/deps.sh: not a Debian system; install the equivalents of: ${packages[*]}" >&2
    exit 1
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
    say "dependencies: all installed"
    exit 0
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "tools/deps.sh: run as root: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
say "dependencies: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "tools/deps.sh: apt-get could not install: ${missing[*]}" >&2
    exit 1
fi
say "dependencies: installed"
