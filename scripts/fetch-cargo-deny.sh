#!/usr/bin/env bash
# Builds cargo-deny once (about 90 s on two cores) into the cache folder.
source "$(dirname "$0")/lib.sh"

version=0.20.2
tool="$cache/tools/bin/cargo-deny"

if [ -x "$tool" ] && [ "$("$tool" --version)" = "cargo-deny $version" ]; then
    exit 0
fi
say "building cargo-deny $version"
# Its speed does not matter here, so it is built the quick way.
CARGO_TARGET_DIR="$cache/build-cargo-deny" CARGO_PROFILE_DEV_DEBUG=0 \
    cargo install --quiet --locked --force --debug --no-default-features \
    --version "$version" --root "$cache/tools" cargo-deny </dev/null
rm -rf "$cache/build-cargo-deny"
