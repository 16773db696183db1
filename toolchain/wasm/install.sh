#!/usr/bin/env bash
# Installs what turns the program into WebAssembly and prints its folder: Debian's wasm-ld beside the compiler and the standard
# library that the SBPF toolchain has put into the cache. A second run only prints.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
source "$TOOLCHAIN_DIR/apt.sh"

sbf=$("$TOOLCHAIN_DIR/sbf/install.sh")
key=$(cat "$TOOLCHAIN_DIR"/wasm/install.sh "$TOOLCHAIN_DIR/apt.sh" <(basename "$sbf") | sha256sum | cut -c1-12)
home="$CACHE_DIR/wasm-$key"
if [ -e "$home/complete" ]; then
    echo "$home"
    exit 0
fi

say "Installing wasm-ld $LLVM_RUSTC_VERSION into $home (seconds, 6 MB, once)"
security_uri=$(debian_uri bookworm-security)
[ -n "$security_uri" ] || fail "apt's configuration lists no Debian security repository." "Add bookworm-security to /etc/apt/sources.list."
work="$home.partial"
rm -rf "$work"
mkdir -p "$work/debs"
sources="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security_uri bookworm-security main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_uri bookworm) bookworm main"
timed "reading Debian's package lists" private_apt "$work/apt" "$sources"
fetch() (
    cd "$work/debs" && APT_CONFIG="$work/apt/apt.conf" apt-get download "lld-$LLVM_RUSTC_VERSION" &&
        dpkg -x "$work"/debs/*.deb "$work/lld"
)
timed "downloading lld-$LLVM_RUSTC_VERSION" fetch
rm -rf "$work/apt" "$work/debs" "$work"/lld/usr/share

# It loads the LLVM that the compiler came with.
cat >"$work/wasm-ld" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH="$sbf/rust/usr/lib/x86_64-linux-gnu:$sbf/rust/lib/x86_64-linux-gnu"
exec "\$(dirname "\$0")/lld/usr/lib/llvm-$LLVM_RUSTC_VERSION/bin/wasm-ld" "\$@"
WRAPPER
chmod +x "$work/wasm-ld"
"$work/wasm-ld" --version >/dev/null || fail "The unpacked wasm-ld does not start (see above)."
ln -s "$sbf" "$work/sbf"
touch "$work/complete"
rm -rf "$home"
mv "$work" "$home"
echo "$home"
