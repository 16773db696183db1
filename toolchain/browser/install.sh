#!/usr/bin/env bash
# Prints the path of Chromium, and installs Debian's when there is none.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

if ! command -v chromium >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || fail "Tests of the app need a browser." "sudo apt-get install chromium"
    timed "Debian's chromium" bash -c \
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium"
fi
command -v chromium
