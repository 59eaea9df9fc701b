#!/bin/sh
# The Debian packages that live tests use, installed where missing and where that is possible.
# Elsewhere nothing fails: the tests that need one skip and name it.
set -eu

missing=
need() {  # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
PATH=$PATH:/usr/sbin:/sbin
need bash bash
need crit criu  # reads our images independently of our own code
need gcc gcc
need iptables iptables
need java default-jdk-headless
need make make
need memcached memcached
need mkfs.btrfs btrfs-progs
need mkfs.xfs xfsprogs
need nginx nginx-light
need node nodejs
need perl perl
need redis-server redis-server
need setpriv util-linux
need xz xz-utils
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "make test: not installed, their tests will skip:$missing" >&2
    exit 0
fi
echo "make test: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq &&
    # Split into words on purpose.
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
    echo "make test: could not install$missing; their tests will skip" >&2
