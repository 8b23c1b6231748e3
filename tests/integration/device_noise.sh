#!/usr/bin/env bash
# Noise by devices with the real programs: two rounds, a ledger that verify recomputes, what each
# side is told, and a device whose owner wants more noise than the plan has.
. "$(dirname "$0")/lib.sh"

n=6
by_devices=(--set privacy.noise_by=devices --set privacy.mechanism=discrete_gaussian)
expect 2 'privacy.mechanism must be discrete_gaussian' \
    "$MIEN" init no --preset demo --set privacy.noise_by=devices
expect 2 'privacy.noise_by' "$MIEN" init no --preset demo --set privacy.noise_by=somebody
faces "$n" 8
init state "$n" --set round.rounds=2 "${by_devices[@]}"
grep -q 'devices add the noise' err || fail "init said: $(cat err)"
"$MIEN" plan state >out || fail "no plan"
grep -q 'devices add it, sigma' out || fail "plan said: $(cat out)"
planned=$(sed -n 's/^privacy *epsilon \([0-9.e+]*\) for a reader of 2 .*/\1/p' out)

start_coordinator state --rounds 2
enrol state "$n"
for i in $(seq 0 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
end_of "$coordinator" 60
is "exit status after --rounds 2" "$ended" 0
is "version" "$(field state model)" 2
grep -q 'device.consent noise_by=devices' devices.log || fail "no device said who adds the noise"

# --- the ledger ---
expect 0 '' "$MIEN" verify state
grep -q 'by every device, of 2 honest ones at least' out || fail "verify said: $(cat out)"
grep -q 'the coordinator is a witness' out || fail "verify said: $(cat out)"
"$MIEN" verify state --json >out || fail "verify --json: $(cat out)"
epsilon=$(sed -n 's/.*"epsilon":\([0-9.e+]*\).*/\1/p' out)
awk -v a="$epsilon" -v b="$planned" 'BEGIN { exit !(a > 0 && a < b * 1.00001 && a > b * 0.99999) }' ||
    fail "epsilon $epsilon, planned $planned"
expect 0 '' "$MIEN" generate state --count 2 --out pictures
expect 0 '' "$MIEN" verify pictures
grep -q 'by every device' out || fail "verify said of the set: $(cat out)"

# The operator's accountant, from what the card says.
of_card() { sed -n "s/.*\"$1\": \"\{0,1\}\([0-9.e-]*\).*/\1/p" pictures/release.json | head -n 1; }
z=$(sed -n 's/^noise_multiplier = \([0-9.]*\).*/\1/p' state/mien.conf)
"$MIEN" account --noise "$z" --rounds 2 --delta "$(of_card delta)" --mechanism distributed \
    --shares "$(of_card shares)" --bound "$(of_card bound)" --dim "$(of_card dim)" --json >out 2>err ||
    fail "account: $(cat err)"
accounted=$(sed -n 's/.*"epsilon":\([0-9.e+]*\).*/\1/p' out)
awk -v a="$epsilon" -v b="$accounted" 'BEGIN { exit !(a < b * 1.00001 && a > b * 0.99999) }' ||
    fail "verify says epsilon $epsilon, account $accounted"

# --- a device that wants more ---
start_coordinator state
"$MIEN" token state --count 1 >tokens
expect 0 '' "$MIEN_DEVICE" enrol --token "$(cat tokens)" --state strict
"$MIEN_DEVICE" run --state strict --faces faces/d0001 --min-device-noise 50 2>strict.log &
started+=("$!")
end_of "$!" 30
is "exit status of a device whose owner wants more noise" "$ended" 3
grep -q '^mien-device: .*this device wants 50' strict.log || fail "the device said: $(cat strict.log)"
done_testing
