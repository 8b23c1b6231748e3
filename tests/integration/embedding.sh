#!/usr/bin/env bash
# The example of docs/embedding.md, taken from the page, compiled against the installed library
# (shared and static) and run against a real coordinator beside other devices.
#   MIEN_SOURCE, MIEN_BUILD   the two trees, set by meson
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${MIEN_SOURCE:?}" "${MIEN_BUILD:?}"

awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$MIEN_SOURCE/docs/embedding.md" >device.c
lines=$(wc -l <device.c)
[ "$lines" -gt 40 ] && [ "$lines" -le 80 ] || fail "the example has $lines lines"

meson install -C "$MIEN_BUILD" --no-rebuild --tags devel,client --destdir "$work/root" >install.log 2>&1 ||
    fail "install: $(tail -n 3 install.log)"
pc=$(find root -name mien-client.pc)
[ -f "$pc" ] || fail "no mien-client.pc"
prefix=$work/root$(sed -n 's/^prefix=//p' "$pc")
flags() {
    PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$prefix" "$@" mien-client
}
lib=$(flags --variable=libdir)

# Both libraries show exactly the committed list.
listed=$MIEN_SOURCE/client/libmien-client.symbols
symbols() { awk '$2 ~ /^[A-Z]$/ { print $3 }' | sed 's/@.*//' | grep -v '^MIEN_CLIENT_0$' | sort; }
nm -D --defined-only "$lib/libmien-client.so" | symbols | diff "$listed" - ||
    fail "libmien-client.so exports other symbols"
nm -g --defined-only "$lib/libmien-client.a" | symbols | diff "$listed" - ||
    fail "libmien-client.a exports other symbols"
checks=$((checks + 2))

# shellcheck disable=SC2046 # flags are words
cc -std=c99 -pedantic -Wall -Wextra -Werror device.c -o shared $(flags --cflags --libs) ||
    fail "the example does not compile"
# shellcheck disable=SC2046
cc -std=c99 device.c -o static $(flags --cflags) "$lib/libmien-client.a" \
    $(flags --static --libs | sed 's/-lmien-client//') || fail "the static library does not link"
! ldd static | grep -q mien || fail "the static example needs the shared library"
export LD_LIBRARY_PATH=$lib

faces 2 8
init state 4
start_coordinator state
enrol state 2
start_device 0 faces/d0001
start_device 1 faces/d0002
"$MIEN" token state --count 2 >tokens || fail "no tokens"
./shared s.state "$(sed -n 1p tokens)" 2>shared.err &
shared=$!
./static t.state "$(sed -n 2p tokens)" 2>static.err &
static=$!
started+=("$shared" "$static")
end_of "$shared" 120
is "the shared example's end ($(cat shared.err))" "$ended" 0
end_of "$static" 120
is "the static example's end ($(cat static.err))" "$ended" 0
until_true 30 "the version that they took part in" at_version state 1
is "reported" "$("$MIEN" status state --json | grep -o '"reported":[0-9]*' | head -n 1)" '"reported":4'

# It goes on from its state, where its one round is known to be done.
timeout 60 ./shared s.state || fail "the second run"
# A used token is refused in one sentence.
! timeout 60 ./shared u.state "$(sed -n 1p tokens)" 2>u.err || fail "a used token enrols"
is "sentences" "$(grep -c '^device: .' u.err)" 1
done_testing
