#!/usr/bin/env bash
# Makes a fresh machine ready: `setup.sh build` for building and the demo, `setup.sh test` for the
# tests and the lints too. Says nothing and changes nothing where all is there already.
#
# On Debian and Ubuntu it installs what is missing with apt, as root or with a sudo that asks for no
# password. Anywhere else it names the packages and stops.
source "$(dirname "$0")/lib.sh"
cd "$root"

what=${1:-test}
missing=()

# command, Debian package
need_command() { has "$1" || missing+=("$2"); }
# pkg-config module, Debian package
need_library() { pkg-config --exists "$1" 2>/dev/null || missing+=("$2"); }

java_is_new_enough() {
    local version
    has java || return 1
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

need_command cc gcc
need_command g++ g++
need_command make make
need_command perl perl
need_command pkg-config pkg-config
need_library openssl libssl-dev
need_library libzstd libzstd-dev
need_library zlib zlib1g-dev
if [ "$what" = test ]; then
    java_is_new_enough || missing+=(default-jdk-headless)
    need_command mvn maven
    need_command kcat kcat
    need_command openssl openssl
    need_command jq jq
    need_command shellcheck shellcheck
fi

# A package named here is missing, so the list says what to do by hand, too.
install_missing() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if has sudo && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            die "missing: ${missing[*]} (Debian and Ubuntu: sudo apt-get install ${missing[*]})"
        fi
    fi
    has apt-get || die "missing, under the names that Debian gives them: ${missing[*]}"
    say "installing with apt: ${missing[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2
}

# promtool comes in the package of a server that Debian starts as soon as it is installed. Only the
# tool is wanted, so it is taken out of the package.
fetch_promtool() {
    local folder
    has promtool && return
    if ! has apt-get || ! has dpkg-deb; then
        die "missing: promtool (it comes with Prometheus)"
    fi
    say "fetching promtool"
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq prometheus >&2 && dpkg-deb -x prometheus_*.deb files)
    mkdir -p "$cache/tools/bin"
    mv "$folder/files/usr/bin/promtool" "$cache/tools/bin/promtool"
    rm -rf "$folder"
}

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
    has cargo || die "missing: Rust $wanted or newer; install it with rustup"
    found=$(rustc --version | cut -d ' ' -f 2)
    at_least "$wanted" "$found" || die "Rust $found is too old: expected $wanted or newer (rustup update)"
    if [ "$what" = test ]; then
        cargo fmt --version >/dev/null 2>&1 || die "missing: rustup component add rustfmt"
        cargo clippy --version >/dev/null 2>&1 || die "missing: rustup component add clippy"
    fi
}

[ ${#missing[@]} = 0 ] || install_missing
check_rust
if [ "$what" = test ]; then
    fetch_promtool
    scripts/fetch-kafka.sh >/dev/null
fi
