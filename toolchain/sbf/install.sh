#!/usr/bin/env bash
# Installs the upstream SBPF toolchain into the cache and prints its folder on standard output.
# A second run finds it complete and prints the folder at once. Nothing is installed into the system and nobody's
# rustup or apt configuration changes. Why each piece is needed: docs/adr/0003-toolchain.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# What it is made of. The versions of other tools leave it where it is.
made_of="$RUST_WEB_VERSION $LLVM_RUSTC_VERSION $LLVM_LINKER_VERSION $SBPF_LINKER_VERSION $SBF_ARCH"
key=$({ echo "$made_of" && cat "$TOOLCHAIN_DIR"/sbf/{install.sh,patch-std.mjs,builtins.c,target.json}; } | sha256sum | cut -c1-12)
home="$CACHE_DIR/sbf-$SBF_ARCH-$key"
if [ -e "$home/complete" ]; then
    echo "$home"
    exit 0
fi

say "Installing the SBPF $SBF_ARCH toolchain into $home (about 3 minutes, 1.3 GB, once)"
[ "$(uname -sm)" = "Linux x86_64" ] ||
    fail "The upstream SBPF toolchain is assembled from Debian amd64 packages; this is $(uname -sm)." \
        "Install Solana's platform-tools so that cargo-build-sbf is on PATH, and run again."
need apt-get "The packages come from Debian's registry; on other systems install Solana's platform-tools (cargo-build-sbf)."
need dpkg "It is part of Debian."
need node "Install Node 20 or later."
need cargo "Install Rust with rustup; rust-toolchain.toml names the version."
free_kb=$(mkdir -p "$CACHE_DIR" && df -Pk "$CACHE_DIR" | awk 'NR==2 {print $4}')
[ "$free_kb" -gt 4000000 ] || fail "Less than 4 GB free below $CACHE_DIR." "Free some space or set MARGRAVE_CACHE to another disk."

# The Debian mirror this machine already uses, whatever it is called.
debian_uri=$(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' |
    awk -F'|' '($2 == "bookworm" || $2 == "trixie" || $2 == "stable") && $3 == "main" && $1 ~ /debian\/?$/ {print $1; exit}')
security_uri=$(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' |
    awk -F'|' '$2 ~ /-security/ && $3 == "main" {print $1; exit}')
[ -n "$debian_uri" ] || fail "apt's configuration lists no Debian main repository." "Add one to /etc/apt/sources.list."
[ -n "$security_uri" ] || fail "apt's configuration lists no Debian security repository (it holds rustc-web)." "Add bookworm-security to /etc/apt/sources.list."
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "$keyring is missing." "apt-get install debian-archive-keyring"

work="$home.partial"
rm -rf "$work"
mkdir -p "$work/debs"

# private_apt NAME SOURCE-LINES: an apt of our own, so that the system's lists and package state are never touched.
private_apt() {
    local dir="$work/apt-$1"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    : >"$dir/status"
    printf '%s\n' "$2" >"$dir/sources.list"
    printf '%s\n' "Dir::Etc::sourcelist \"$dir/sources.list\";" 'Dir::Etc::sourceparts "-";' 'Dir::Etc::preferences "-";' \
        'Dir::Etc::preferencesparts "-";' "Dir::State::Lists \"$dir/lists\";" "Dir::State::status \"$dir/status\";" \
        "Dir::Cache \"$dir/cache\";" 'Acquire::Languages "none";' 'APT::Install-Recommends "0";' 'APT::Sandbox::User "";' \
        'Debug::NoLocking "1";' 'Acquire::Retries "3";' >"$dir/apt.conf"
    timed "reading Debian's package lists ($1)" env APT_CONFIG="$dir/apt.conf" apt-get update
}

private_apt compiler "deb [signed-by=$keyring] $debian_uri bookworm main
deb [signed-by=$keyring] $security_uri bookworm-security main"
fetch_compiler() (
    # The programs by name, without what they ask for in a full installation (gcc and its kin); the libraries they load
    # with everything those need.
    cd "$work/debs" && export APT_CONFIG="$work/apt-compiler/apt.conf" &&
        apt-get download rustc-web cargo-web rust-web-src libstd-rust-web-dev "libstd-rust-web-$RUST_WEB_VERSION" \
            "clang-$LLVM_RUSTC_VERSION" &&
        apt-get -y --download-only install "libllvm$LLVM_RUSTC_VERSION" "libclang-cpp$LLVM_RUSTC_VERSION" \
            libgit2-1.5 libcurl4 libssh2-1 libsqlite3-0 libssl3
)
timed "downloading rustc $RUST_WEB_VERSION, its library source and clang-$LLVM_RUSTC_VERSION" fetch_compiler

private_apt linker "deb [signed-by=$keyring] $debian_uri sid main"
fetch_llvm() {
    APT_CONFIG="$work/apt-linker/apt.conf" apt-get -y --download-only install "libllvm$LLVM_LINKER_VERSION"
}
timed "downloading LLVM $LLVM_LINKER_VERSION with the C library it was built for" fetch_llvm

# Debian moves; which packages these were decides the code they make.
deb_version() { dpkg-deb -f "$(find "$work" -name "$1_*.deb" | head -1)" Version; }
unpack() {
    echo "rustc $(deb_version rustc-web), LLVM $(deb_version "libllvm$LLVM_LINKER_VERSION"), sbpf-linker $SBPF_LINKER_VERSION" >"$work/versions"
    mkdir -p "$work/rust" "$work/llvm"
    # The compiler runs on this system's C library, the linker on the one that came with its LLVM.
    rm -f "$work"/apt-compiler/cache/archives/libc6_*.deb
    for deb in "$work"/debs/*.deb "$work"/apt-compiler/cache/archives/*.deb; do dpkg -x "$deb" "$work/rust" || return 1; done
    for deb in "$work"/apt-linker/cache/archives/*.deb; do dpkg -x "$deb" "$work/llvm" || return 1; done
    cp -r "$work"/rust/usr/src/rustc-*/library "$work/library"
    rm -rf "$work"/rust/usr/src "$work"/rust/usr/share "$work"/debs "$work"/apt-*
}
timed "unpacking" unpack
timed "patching the standard library" node "$TOOLCHAIN_DIR/sbf/patch-std.mjs" "$work/library"

linker_home="$CACHE_DIR/sbpf-linker-$SBPF_LINKER_VERSION"
if [ ! -x "$linker_home/bin/sbpf-linker" ]; then
    timed "building sbpf-linker $SBPF_LINKER_VERSION" cargo_clean_env \
        cargo install sbpf-linker --version "$SBPF_LINKER_VERSION" --locked --root "$linker_home" --target-dir "$work/linker-target"
    rm -rf "$work/linker-target"
fi

compile_builtins() {
    LD_LIBRARY_PATH="$work/rust/usr/lib/x86_64-linux-gnu:$work/rust/lib/x86_64-linux-gnu" \
        "$work/rust/usr/lib/llvm-$LLVM_RUSTC_VERSION/bin/clang" -target bpfel -O2 -fno-builtin -ffreestanding -nostdinc \
        -S -emit-llvm "$TOOLCHAIN_DIR/sbf/builtins.c" -o "$work/builtins.ll"
}
timed "compiling the 128-bit builtins" compile_builtins
cp "$TOOLCHAIN_DIR/sbf/target.json" "$work/sbpf-solana-solana.json"

# sid's LLVM needs sid's C library, and LD_LIBRARY_PATH is how sbpf-linker finds that LLVM instead of rustc's. The builtins
# are linked into everything.
loader=$(cd "$work" && find llvm -name 'ld-linux-x86-64.so.2' | head -1)
[ -n "$loader" ] || fail "The downloaded libc6 holds no ld-linux-x86-64.so.2."
cat >"$work/linker" <<WRAPPER
#!/bin/sh
here="\$(dirname "\$0")"
export LD_LIBRARY_PATH="\$here/llvm/usr/lib/x86_64-linux-gnu"
exec "\$here/$loader" --library-path "\$LD_LIBRARY_PATH" "$linker_home/bin/sbpf-linker" "\$@" "\$here/builtins.ll"
WRAPPER
chmod +x "$work/linker"
[ -n "$(LD_LIBRARY_PATH="$work/llvm/usr/lib/x86_64-linux-gnu" "$work/$loader" --library-path "$work/llvm/usr/lib/x86_64-linux-gnu" "$linker_home/bin/sbpf-linker" --version)" ] ||
    fail "The assembled linker does not start (see above)."

LD_LIBRARY_PATH="$work/rust/usr/lib/x86_64-linux-gnu:$work/rust/lib/x86_64-linux-gnu" "$work/rust/usr/bin/cargo" --version >/dev/null ||
    fail "The unpacked cargo does not start (see above)."

touch "$work/complete"
rm -rf "$home"
mv "$work" "$home"
say "SBPF toolchain ready"
echo "$home"
