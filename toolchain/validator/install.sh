#!/usr/bin/env bash
# Installs solana-test-validator into the cache and prints the folder of its executable. A second run only prints.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# What its C and C++ parts and its generated code are built with.
PACKAGES=(libclang-14-dev pkg-config libssl-dev libudev-dev protobuf-compiler cmake)

home="$CACHE_DIR/validator-$VALIDATOR_VERSION"
if [ ! -x "$home/bin/solana-test-validator" ]; then
    need cargo "Install Rust with rustup."
    missing=()
    for package in "${PACKAGES[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        [ "$(id -u)" = 0 ] || fail "Building the validator needs Debian packages that are not installed." \
            "sudo apt-get install ${missing[*]}"
        timed "Debian packages ${missing[*]}" bash -c \
            "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends ${missing[*]}"
    fi
    say "Building solana-test-validator $VALIDATOR_VERSION into $home (about 20 minutes on two cores, once)"
    timed "building solana-test-validator $VALIDATOR_VERSION" cargo_clean_env \
        cargo install agave-validator --version "=$VALIDATOR_VERSION" --bin solana-test-validator --locked \
        --root "$home" --target-dir "$home.target"
    rm -rf "$home.target"
fi
echo "$home/bin"
