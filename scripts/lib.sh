# shellcheck shell=bash
# What the scripts beside this file share. It is sourced, not run.
set -euo pipefail

# shellcheck disable=SC2034 # read by the scripts that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Downloads and tools live here, never in target/, so that `make clean` keeps them.
cache=${DMWATCH_CACHE:-${HOME:-/root}/.cache/dmwatch}
export PATH="$cache/tools/bin:$PATH"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

# Progress goes to standard error, so that a script's own answer can be read from standard output.
say() { printf '==> %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 69
}

has() { command -v "$1" >/dev/null 2>&1; }

# at_least 1.95 1.96.0: whether the second version is the first one or newer.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }
