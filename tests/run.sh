#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test that belongs in a test run.
# Ends with one line: N passed, N failed, N skipped.
set -u
cd "$(dirname "$0")/.." || exit 1
top=${MIEN_BUILD_DIR:-build}
passed=0 failed=0 skipped=0

say() { printf '== %s\n' "$*"; }

# Adds the counts of one `meson test` run; a build that fails counts as one failed test.
meson_tests() { # NAME, setup options...
    local name=$1 dir=$top/$1 log
    shift
    log=$top/$name.log
    mkdir -p "$top"
    say "build $name"
    if [ ! -e "$dir/build.ninja" ] && ! meson setup "$dir" "$@" >"$log" 2>&1; then
        tail -n 20 "$log"
        failed=$((failed + 1))
        return
    fi
    if ! ninja -C "$dir" >"$log" 2>&1; then
        grep -E 'error|FAILED|warning' "$log" | head -n 30
        failed=$((failed + 1))
        return
    fi
    say "test $name"
    meson test -C "$dir" --no-rebuild --print-errorlogs >"$log" 2>&1
    grep -E '^ *[0-9]+/[0-9]+ ' "$log" | sed 's/^ *//'
    grep -qE '^Fail: +0$' "$log" || sed -n '/Summary of Failures/,$p' "$log" | head -n 60
    passed=$((passed + $(count Ok "$log")))
    failed=$((failed + $(count Fail "$log") + $(count Timeout "$log") + $(count 'Unexpected Pass' "$log")))
    skipped=$((skipped + $(count Skipped "$log")))
}

count() { # LABEL, LOG
    local n
    n=$(sed -n "s/^$1: *\([0-9][0-9]*\) *$/\1/p" "$2" | tail -n 1)
    echo "${n:-0}"
}

# The accountants and their command where FFTW is left out: they build, say so, and hold.
without_fftw() {
    local dir=$top/nofftw log=$top/nofftw.log name
    [ -e "$dir/build.ninja" ] || meson setup "$dir" -Dfftw=disabled >"$log" 2>&1 || return 1
    ninja -C "$dir" server/tools/mien tests/unit/test_dp_{account,budget,pld,reference,sampling} >"$log" 2>&1 || return 1
    for name in account budget pld reference sampling; do
        "$dir/tests/unit/test_dp_$name" >"$log" 2>&1 || return 1
    done
    MIEN=$(realpath "$dir")/server/tools/mien tests/integration/account.sh >"$log" 2>&1
}

deploy/install-deps.sh test || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
meson_tests plain
export MIEN_SIM_SEEDS=60 # the thousand worlds ran above
meson_tests sanitized -Db_sanitize=address,undefined -Db_lundef=false
say "arm64"
tests/edge.sh --install "$top/arm64"
case $? in
0) passed=$((passed + 1)) ;;
77) skipped=$((skipped + 1)) ;;
*) failed=$((failed + 1)) ;;
esac
if [ -n "${MIEN_MORE:-}" ]; then # .ci/run: the other compiler, and threads
    CC=clang meson_tests clang
    meson_tests threads -Db_sanitize=thread -Db_lundef=false
    say "without FFTW"
    if without_fftw; then
        passed=$((passed + 1))
    else
        tail -n 20 "$top/nofftw.log"
        failed=$((failed + 1))
    fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
