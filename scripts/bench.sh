#!/usr/bin/env bash
# Runs every benchmark: the parts, then the whole worker. Arguments go to `cargo bench`
# (`scripts/bench.sh --bench worker` for that one alone).
source "$(dirname "$0")/lib.sh"
cd "$root"

DMWATCH_KAFKA_JARS=$(scripts/fetch-kafka.sh)
export DMWATCH_KAFKA_JARS
exec cargo bench --locked --workspace "$@"
