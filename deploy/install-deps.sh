#!/bin/sh
# Installs what building, testing and running mien needs on Debian 12; safe to repeat.
#   deploy/install-deps.sh [build|test]     (test, the default, adds what the tests and checks need)
set -eu

build="gcc libc6-dev meson ninja-build pkg-config protobuf-c-compiler libprotobuf-c-dev
libuv1-dev libssl-dev libpng-dev libsqlite3-dev libinih-dev libcjson-dev
libfftw3-dev libjpeg62-turbo-dev"
tests="libcmocka-dev clang clang-format libclang-rt-14-dev g++ git openssl binutils python3 mandoc"
# For running exported models; a Node.js from elsewhere brings its own npm.
command -v npm >/dev/null || tests="$tests nodejs npm"

wanted="$build"
[ "${1:-test}" = build ] || wanted="$build $tests"

missing=""
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    case "$state" in installed*) ;; *) missing="$missing $package" ;; esac
done
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >/dev/null
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
