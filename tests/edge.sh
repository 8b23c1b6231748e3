#!/bin/sh
# Builds the device library and its unit tests for arm64 and runs them under qemu-aarch64; prints
# the size of the stripped shared library and checks its symbols against the committed list.
#
#   tests/edge.sh [--install] [BUILDDIR]
#
# --install gets the packages (as root, Debian multi-arch). Without them the run is skipped, which
# the last line says. qemu shows that it is right, never how fast it is.
set -u
cd "$(dirname "$0")/.." || exit 1
packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user libssl-dev:arm64
libprotobuf-c-dev:arm64 libpng-dev:arm64 libcmocka-dev:arm64"
install=no
if [ "${1:-}" = --install ]; then
    install=yes
    shift
fi
build=${1:-build-arm64}

skip() {
    echo "edge: skipped: $1"
    exit 77
}

have_packages() {
    command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null || return 1
    for name in libssl libprotobuf-c libpng cmocka; do
        PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config --exists $name || return 1
    done
}

get_packages() {
    [ "$(id -u)" = 0 ] || return 1
    # A list of names: to be split.
    dpkg --add-architecture arm64 && apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
}

if ! have_packages; then
    [ $install = yes ] || skip "arm64 packages are missing (tests/edge.sh --install gets them)"
    get_packages >/dev/null 2>&1 || skip "the arm64 packages cannot be had here"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
    "$@" >"$log" 2>&1 && return
    cat "$log"
    echo "edge: failed: $*"
    exit 1
}

[ -f "$build/build.ninja" ] ||
    run meson setup --cross-file tests/support/arm64.ini --buildtype release \
        -Dserver=false -Djpeg=disabled -Dfftw=disabled "$build" .
run ninja -C "$build"
# What a device runs. The headers' test is of the build machine's compilers, and nn/trainer looks
# at what is learned, for minutes under emulation; client/train runs the same steps.
tests=$(meson test -C "$build" --list 2>/dev/null |
    sed -n 's,.* / \(\(base\|tensor\|plan\|nn\|secagg\|wire\|client\|fuzz\)/.*\),\1,p' |
    grep -v -e '^client/headers$' -e '^nn/trainer$')
# Words: names without spaces.
run meson test -C "$build" --print-errorlogs --timeout-multiplier 10 $tests
passed=$(sed -n 's,^Ok: *\([0-9]*\).*,\1,p' "$log")

library=$build/client/libmien-client.so.0
stripped=$(mktemp)
aarch64-linux-gnu-strip -o "$stripped" "$library" || exit 1
bytes=$(wc -c <"$stripped")
aarch64-linux-gnu-nm -D --defined-only "$library" | awk '$2 == "T" {print $3}' |
    sed 's/@.*//' | sort >"$log"
rm -f "$stripped"
if ! diff client/libmien-client.symbols "$log"; then
    echo "edge: failed: libmien-client.so exports other symbols than client/libmien-client.symbols"
    exit 1
fi
echo "edge: arm64 libmien-client.so: $bytes bytes stripped, $(wc -l <"$log") symbols as listed," \
    "$passed test programs passed under qemu"
