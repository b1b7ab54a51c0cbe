#!/usr/bin/env bash
# Runs every test but the long ones. Arguments go to `cargo test`.
#
# The brokers are children of the test programs and end with them, however these end: Ctrl-C, a
# failed test, kill -9. With KAFKA_BOOTSTRAP=host:port the tests that can share a broker use that one.
source "$(dirname "$0")/lib.sh"
cd "$root"

DMWATCH_KAFKA_JARS=$(scripts/fetch-kafka.sh)
export DMWATCH_KAFKA_JARS
# Most of the tests wait for a broker most of the time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}

if [ -n "${KAFKA_BOOTSTRAP:-}" ]; then
    say "tests, on the broker at $KAFKA_BOOTSTRAP where they can"
else
    say "tests, on a real Kafka that they start themselves"
fi
exec cargo test --locked --workspace --features dmwatch/fault-injection "$@"
