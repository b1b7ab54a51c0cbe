#!/usr/bin/env bash
# The demo: sets up, builds, runs. KEEP=1 runs on until Ctrl-C; KAFKA_BOOTSTRAP=host:port uses that
# broker instead of the embedded one.
source "$(dirname "$0")/lib.sh"
cd "$root"

scripts/setup.sh build
say "building (the first time takes some minutes)"
cargo build --locked --release

arguments=()
[ -z "${KEEP:-}" ] || arguments+=(--keep)
[ -z "${KAFKA_BOOTSTRAP:-}" ] || arguments+=(--bootstrap-servers "$KAFKA_BOOTSTRAP")
exec "${CARGO_TARGET_DIR:-target}/release/dmwatch" demo "${arguments[@]}" "$@"
