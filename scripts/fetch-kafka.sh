#!/usr/bin/env bash
# Fetches the Kafka that tests/kafka/pom.xml names, once, and prints the folder of its jars.
source "$(dirname "$0")/lib.sh"

pom="$root/tests/kafka/pom.xml"
# Another list of jars is another folder, so nothing stale is ever on the class path.
folder="$cache/kafka-$(sha256sum "$pom" | cut -c 1-12)"

if [ ! -d "$folder" ]; then
    has mvn || die "missing: maven (run 'make setup')"
    say "fetching Kafka by Maven into $folder"
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/kafka-fetch.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    mvn -B -q -Dstyle.color=never -f "$pom" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$fresh/jars" </dev/null >&2
    # Whoever comes second finds the folder there and keeps it.
    mv -T "$fresh/jars" "$folder" 2>/dev/null || [ -d "$folder" ]
fi
printf '%s\n' "$folder"
