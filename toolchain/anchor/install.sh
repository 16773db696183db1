#!/usr/bin/env bash
# Installs Anchor's command line into the cache and prints the folder of its executable. A second run only prints.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

home="$CACHE_DIR/anchor-cli-$ANCHOR_CLI_VERSION"
if [ ! -x "$home/bin/anchor" ]; then
    need cargo "Install Rust with rustup."
    say "Installing anchor-cli $ANCHOR_CLI_VERSION into $home (about 7 minutes, once)"
    timed "building anchor-cli $ANCHOR_CLI_VERSION" cargo_clean_env \
        cargo install anchor-cli --version "=$ANCHOR_CLI_VERSION" --locked --root "$home" --target-dir "$home.target"
    rm -rf "$home.target"
fi
echo "$home/bin"
