#!/bin/sh
# Welch's t-test on the times of the shares' field: does a secret show in them? Some minutes; wants a
# machine that does nothing else.
#
#   tests/bench/timing_field.sh [BUILDDIR]
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build/plain}
[ -f "$build/build.ninja" ] || meson setup "$build" >/dev/null || exit 1
ninja -C "$build" tests/bench/timing_field >/dev/null || exit 1
exec "$build/tests/bench/timing_field"
