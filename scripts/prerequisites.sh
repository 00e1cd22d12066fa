# Sourced by scripts/run and scripts/test: finds what they need on this machine, or installs it.
# Needs nothing but a shell; uses apt or brew for what is missing, with sudo where we are not root.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        # Without a terminal nobody could type a password: then it must work without one.
        if [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
    else
        return 1
    fi
}

# install_package COMMAND APT_PACKAGE BREW_PACKAGE: makes sure that COMMAND can be run.
install_package() {
    has "$1" && return 0
    if has apt-get; then
        say "installing $2 (apt-get), because $1 is missing"
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || true
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >&2 \
            || fail "$1 is missing and apt-get could not install $2; install it and run this again"
    elif has brew; then
        say "installing $3 (brew), because $1 is missing"
        brew install --quiet "$3" >&2 \
            || fail "$1 is missing and brew could not install $3; install it and run this again"
    else
        fail "$1 is missing, and neither apt-get nor brew is here to install it"
    fi
    has "$1" || fail "$2 was installed, but $1 is still not on the PATH"
}

# require_rust: makes sure of cargo, new enough for this workspace, and of a linker.
require_rust() {
    # A fresh rustup is on the PATH of new shells only.
    if ! has cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH="$HOME/.cargo/bin:$PATH"; fi
    has cargo || fail "cargo is missing; install the Rust toolchain from https://rustup.rs and run this again"
    local wanted found oldest
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    found=$(rustc --version | cut -d ' ' -f 2)
    oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)
    [ "$oldest" = "$wanted" ] \
        || fail "Rust $found is too old, this needs $wanted or newer; run: rustup update stable"
    install_package cc build-essential gcc
}

# require_redis: makes sure of a redis-server to start. Private ones are started from it; a running one is left alone.
require_redis() { install_package redis-server redis-server redis; }

# require_pip: makes sure of Python's installer, from whose packages the tests take the newest servers.
require_pip() {
    python3 -m pip --version >/dev/null 2>&1 && return 0
    install_package pip3 python3-pip python
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 -m pip does not work: $(python3 -m pip --version 2>&1)"
}

# require_servers: makes sure of the real counterparts that probes are tested against.
require_servers() {
    install_package docker-registry docker-registry docker-distribution
    # Debian keeps PostgreSQL's own programs off the PATH; what it has there tells that they are installed.
    if has apt-get; then install_package pg_createcluster postgresql; else install_package initdb - postgresql; fi
    # What the MySQL probe is tested against, in the build that has one.
    if has apt-get; then install_package mariadb-install-db mariadb-server; else install_package mariadb-install-db - mariadb; fi
    # How people look into the history's file.
    install_package sqlite3 sqlite3 sqlite
    PATH="$PATH:/usr/sbin"
    install_package dnsmasq dnsmasq-base dnsmasq
    # A mail server that encrypts after it has begun in clear text.
    if has apt-get; then install_package aiosmtpd python3-aiosmtpd; fi
    install_package nginx nginx-light nginx
    install_package haproxy haproxy haproxy
    # Another prober, whose verdicts ours are compared with.
    if has apt-get; then install_package prometheus-blackbox-exporter prometheus-blackbox-exporter; fi
    # Whom the health-monitor asks for numbers.
    install_package prometheus prometheus prometheus
    # Whose types say what Slack takes.
    install_package npm npm node
    # Who takes the notifier's alerts.
    if has apt-get; then install_package prometheus-alertmanager prometheus-alertmanager; fi
}
