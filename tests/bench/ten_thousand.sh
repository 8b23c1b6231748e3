#!/bin/sh
# 10,000 devices in one session of 10^5 values, one in ten leaving: every device real, all in one
# process, in memory. Some ten minutes of signatures and key agreements, and 1.5 GB.
#
#   tests/bench/ten_thousand.sh [BUILDDIR [MEMBERS]]
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:-build/plain}
[ -f "$build/build.ninja" ] || meson setup "$build" >/dev/null || exit 1
ninja -C "$build" tests/bench/bench_secagg >/dev/null || exit 1
exec "$build/tests/bench/bench_secagg" "${2:-10000}" 100000
