#!/usr/bin/env bash
# Formatting, lints, documentation, licences: everything that must hold before a test is worth running.
source "$(dirname "$0")/lib.sh"
cd "$root"

say "formatting"
cargo fmt --all --check

say "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings

say "clippy with the faults that tests seed"
cargo clippy --locked --workspace --all-targets --features dmwatch/fault-injection -- -D warnings

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

say "licences, bans, sources"
scripts/fetch-cargo-deny.sh
cargo deny --log-level warn check --hide-inclusion-graph licenses bans sources

if has shellcheck; then
    say "shell scripts"
    shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
fi
