# An apt of our own, so that the system's lists and package state are never touched. Sourced, never run.
# shellcheck shell=bash

# private_apt DIR SOURCE-LINES: `APT_CONFIG=DIR/apt.conf apt-get ...` then reads those sources only.
private_apt() {
    local dir=$1
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    : >"$dir/status"
    printf '%s\n' "$2" >"$dir/sources.list"
    printf '%s\n' "Dir::Etc::sourcelist \"$dir/sources.list\";" 'Dir::Etc::sourceparts "-";' 'Dir::Etc::preferences "-";' \
        'Dir::Etc::preferencesparts "-";' "Dir::State::Lists \"$dir/lists\";" "Dir::State::status \"$dir/status\";" \
        "Dir::Cache \"$dir/cache\";" 'Acquire::Languages "none";' 'APT::Install-Recommends "0";' 'APT::Sandbox::User "";' \
        'Debug::NoLocking "1";' 'Acquire::Retries "3";' >"$dir/apt.conf"
    APT_CONFIG="$dir/apt.conf" apt-get update
}

# debian_uri RELEASE: the mirror of a release that this machine already uses, whatever it is called.
debian_uri() {
    apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' |
        awk -F'|' -v release="$1" '$2 == release && $3 == "main" {print $1; exit}'
}
