#!/usr/bin/env bash
# build.sh OUT: compiles crates/wasm for wasm32-unknown-unknown, with the compiler and the standard library of the SBPF toolchain,
# and links its four exports into OUT. No host function is imported.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

out=$1
home=$("$TOOLCHAIN_DIR/wasm/install.sh")
sbf=$(readlink -f "$home/sbf")
rust="$sbf/rust/usr"
target=${CARGO_TARGET_DIR:-$ROOT_DIR/target}/wasm
# Paths of this machine must not reach the module. A panic is a trap without words: nothing could show them.
flags=("--remap-path-prefix=$ROOT_DIR=." "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" "--remap-path-prefix=$sbf=sbf" -Zunstable-options -C panic=immediate-abort)
encoded=$(IFS=$'\x1f'; echo "${flags[*]}")
# Small, since it is most of what a first visit loads. Checks of bounds and overflows stay as they are on chain.
cargo_clean_env env CARGO_PROFILE_RELEASE_OPT_LEVEL=s \
    PATH="$rust/bin:/usr/bin:/bin" LD_LIBRARY_PATH="$rust/lib/x86_64-linux-gnu:$sbf/rust/lib/x86_64-linux-gnu" \
    RUSTC="$rust/bin/rustc" RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT="$sbf/library" CARGO_ENCODED_RUSTFLAGS="$encoded" \
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$home/wasm-ld" \
    "$rust/bin/cargo" rustc --locked --quiet --release --lib --crate-type staticlib --manifest-path "$ROOT_DIR/crates/wasm/Cargo.toml" \
    --target wasm32-unknown-unknown --target-dir "$target" -Zbuild-std=core,alloc,std,panic_abort -Zbuild-std-features=optimize_for_size >&2
mkdir -p "$(dirname "$out")"
# A library of an unused dependency exports hundreds of functions for a browser; naming ours leaves them out.
exports=(input run output output_length)
"$home/wasm-ld" --no-entry --gc-sections --strip-all --stack-first -z stack-size=1048576 "${exports[@]/#/--export=margrave_}" \
    "$target/wasm32-unknown-unknown/release/libmargrave_wasm.a" -o "$out.linked"
# What a dependency has written down for its tools, a quarter of the file, stays in it even when it is stripped.
node "$TOOLCHAIN_DIR/wasm/strip.mjs" "$out.linked" "$out"
rm "$out.linked"
say "$(basename "$out"): $(stat -c %s "$out") bytes, $(gzip -9c "$out" | wc -c) compressed"
