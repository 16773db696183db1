# Shared by ./dev and the installers: where things are, how to speak, how to fail. Sourced, never run.
# shellcheck shell=bash

TOOLCHAIN_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT_DIR="$(dirname "$TOOLCHAIN_DIR")"
# shellcheck source=versions.env
source "$TOOLCHAIN_DIR/versions.env"

# Slow builds live outside the checkout, each in a folder named by its version, so every checkout shares them.
CACHE_DIR="${MARGRAVE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/margrave}"

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then BOLD=$'\e[1m' RED=$'\e[31m' PLAIN=$'\e[0m'; else BOLD='' RED='' PLAIN=''; fi

say() { printf '%s%s%s\n' "$BOLD" "$*" "$PLAIN" >&2; }
# fail MESSAGE [REMEDY]: states what is wrong and what to do about it, then stops.
fail() {
    printf '%serror:%s %s\n' "$RED" "$PLAIN" "$1" >&2
    [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
    exit 1
}
need() { command -v "$1" >/dev/null 2>&1 || fail "'$1' is not on PATH." "$2"; }

# timed LABEL COMMAND...: runs a step, reports its duration, and shows the end of its log only when it fails.
timed() {
    local label=$1 log start
    shift
    log=$(mktemp)
    start=$SECONDS
    printf '  %s ... ' "$label" >&2
    if "$@" >"$log" 2>&1; then
        printf 'done (%ss)\n' $((SECONDS - start)) >&2
        rm -f "$log"
    else
        printf 'FAILED\n' >&2
        tail -n 30 "$log" >&2
        fail "$label failed; the whole log is $log"
    fi
}

# A checkout of our own Rust never answers for the SBF compiler, and the other way round.
cargo_clean_env() {
    env -u RUSTUP_TOOLCHAIN -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_RUSTFLAGS -u CARGO_BUILD_TARGET \
        -u RUSTC -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u CARGO -u RUSTDOC -u CARGO_TARGET_DIR "$@"
}
