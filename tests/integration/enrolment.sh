#!/usr/bin/env bash
# Who may enrol and stay: tokens that are mistyped, unknown, used or old, another authority's
# coordinator, a device that was revoked.
. "$(dirname "$0")/lib.sh"

faces 1 8
init state 3
cp -r state twin # the same authority, a register of its own
unknown=$("$MIEN" token twin)
"$MIEN" token state --count 2 >tokens || fail "no tokens"
good=$(head -n 1 tokens)
spare=$(tail -n 1 tokens)

# --- tokens that are refused before anything is sent ---
flip=$([ "${good:20:1}" = A ] && echo B || echo A)
expect 2 'mistyped' "$MIEN_DEVICE" enrol --token "${good:0:20}$flip${good:21}" --state bad
expect 2 'token' "$MIEN_DEVICE" enrol --token "mien9.${good#*.}" --state bad
expect 2 'token' "$MIEN_DEVICE" enrol --token "${good:0:60}" --state bad
expect 2 'token' "$MIEN_DEVICE" enrol --token "" --state bad
expect 2 'enrol' "$MIEN_DEVICE" run --state bad --faces faces/d0001

# --- another authority's coordinator behind the address of the token ---
"$MIEN" init stranger --preset demo --port "$port" 2>/dev/null || fail "init stranger"
start_coordinator stranger
expect 2 'authority' "$MIEN_DEVICE" enrol --token "$good" --state bad
kill -9 "$coordinator"
until_true 10 "the stranger is gone" gone "$coordinator"

# --- tokens that the coordinator refuses ---
start_coordinator state
expect 2 'token' "$MIEN_DEVICE" enrol --token "$unknown" --state bad
expect 0 '' "$MIEN_DEVICE" enrol --token "$good" --state d0
id=$(cat out)
is "lines with the device's id" "$(grep -cE '^[0-9a-f]{32}$' out)" 1
expect 2 'used' "$MIEN_DEVICE" enrol --token "$good" --state bad
brief=$("$MIEN" token state --ttl 1s)
sleep 1.2
expect 2 'expired' "$MIEN_DEVICE" enrol --token "$brief" --state bad
expect 2 'never' "$MIEN" token state --ttl never
is "devices enrolled" "$(field state enrolled)" 1

# --- a device that is revoked while it is connected ---
connected() { [ "$(field state connected)" = "$1" ]; }
start_device 0 faces/d0001
until_true 20 "the device is connected" connected 1
expect 0 '' "$MIEN" revoke state "$id"
until_true 20 "the revoked device is cut" connected 0
until_true 20 "the revoked device ends" gone "${device[0]}"
expect 2 'revoked' "$MIEN_DEVICE" run --state d0 --faces faces/d0001
expect 2 'no such device' "$MIEN" revoke state 00112233445566778899aabbccddeeff
expect 2 'device id' "$MIEN" revoke state nonsense
expect 0 '' "$MIEN_DEVICE" enrol --token "$spare" --state d1
expect 0 'ok|^$' "$MIEN" verify state
done_testing
