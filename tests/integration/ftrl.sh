#!/usr/bin/env bash
# Correlated noise with the real programs: units that sit out, a coordinator that is killed, a ledger
# that verify recomputes; then what ends such a run, and devices that a coordinator asks too early.
. "$(dirname "$0")/lib.sh"

ftrl=(--set privacy.strategy=banded --set privacy.min_separation=2 --set round.min_reports=3
    --set secure_sum.drop_out=0)
sql() { python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for row in db.execute(sys.argv[2]): print(*row)
db.commit()' "$1/ledger.db" "$2" || fail "sql: $2"; }

expect 2 'privacy.max_participations' "$MIEN" init no --preset demo "${ftrl[@]}"
expect 2 'privacy.sampling = none' "$MIEN" init no --preset faces32 --set privacy.strategy=tree
expect 3 'inside of the state directory' "$MIEN" init no --preset demo "${ftrl[@]}" \
    --set privacy.max_participations=4 --set noise.key_file="$work/no/key"
expect 2 'no absolute path' "$MIEN" init no --preset demo "${ftrl[@]}" \
    --set privacy.max_participations=4 --set noise.key_file=key
[ ! -e no ] || fail "a refused init left a directory"
faces 6 8
init state 3 "${ftrl[@]}" --set privacy.max_participations=4 --set round.rounds=4
grep -q 'All 4 rounds of 3 people need about 6 people' err || fail "init said: $(cat err)"
grep -q 'state.run-key is the secret key' err || fail "init said: $(cat err)"
is "mode of the key file" "$(stat -c %a state.run-key)" 600
"$MIEN" plan state >out || fail "no plan"
planned=$(sed -n 's/^privacy *epsilon \([0-9.e+]*\) for a reader of 4 .*/\1/p' out)
grep -q 'with banded noise; a unit gives 4 vectors at most' out || fail "plan said: $(cat out)"
cp -a state older

# --- four rounds, the coordinator killed on the way ---
start_coordinator state
enrol state 6
for i in $(seq 0 5); do start_device "$i" "faces/d000$((i + 1))"; done
until_true 60 "a second version" at_version state 2
kill -9 "$coordinator"
until_true 10 "the coordinator is gone" gone "$coordinator"
start_coordinator state
until_true 90 "all versions that are left" at_version state 3
run_is_over() { grep -q 'run.over round=' coordinator.log || at_version state 4; }
until_true 60 "the planned rounds are used up" run_is_over
kill "$coordinator"
end_of "$coordinator" 40
grep -q 'device.consent vectors_at_most=4 rounds_apart=2' devices.log || fail "no device said its terms"
is "units over their limit" "$(sql state 'SELECT count(*) FROM (SELECT 1 FROM input GROUP BY unit
    HAVING count(*) > 4)')" 0
is "parts that are too close" "$(sql state 'SELECT count(*) FROM input a JOIN input b ON a.unit = b.unit
    AND b.round = a.round + 1')" 0
is "devices that had to refuse" "$(grep -c device.sits_out devices.log)" 0

# --- the ledger alone ---
expect 0 '' "$MIEN" verify state
grep -q 'at most 4 times, 2 rounds or more apart' out || fail "verify said: $(cat out)"
grep -q 'correlated over rounds (banded), the run one release' out || fail "verify said: $(cat out)"
"$MIEN" verify state --json >out || fail "verify --json: $(cat out)"
epsilon=$(sed -n 's/.*"epsilon":\([0-9.e+]*\).*/\1/p' out)
awk -v a="$epsilon" -v b="$planned" 'BEGIN { exit !(a > 0 && a < b * 1.00001 && a > b * 0.99999) }' ||
    fail "epsilon $epsilon, planned $planned"
expect 0 '' "$MIEN" generate state --count 2 --out pictures
expect 0 '' "$MIEN" verify pictures
grep -q 'no unit takes part more than participations times' pictures/release.json ||
    fail "release.json says: $(grep sampling_assumption pictures/release.json)"
for i in $(seq 0 5); do kill "${device[$i]}"; done

# --- what ends the run ---
mv state.run-key kept
expect 3 'is lost; the run has ended' "$MIEN_COORDINATOR" state
cp kept state.run-key
expect 3 'copied or put back; the run has ended' "$MIEN_COORDINATOR" state
mv -f kept state.run-key
mv state newer
cp -a older state
expect 3 'the ledger was put back: noise of [34] steps' "$MIEN_COORDINATOR" state
rm -r state
mv newer state
chmod 640 state.run-key
expect 3 'may be read by others' "$MIEN_COORDINATOR" state

# --- a coordinator that asks too early: it has lost the list of who took part ---
init liar 3 "${ftrl[@]}" --set privacy.max_participations=4 --set privacy.min_separation=3
start_coordinator liar --rounds 1
: >devices.log
rm -r d0 d1 d2
enrol liar 3
for i in 0 1 2; do start_device "$i" "faces/d000$((i + 1))"; done
end_of "$coordinator" 60
is "exit status after one round" "$ended" 0
sql liar 'DELETE FROM input'
start_coordinator liar
refused() { [ "$(grep -c 'sits out until round 4' devices.log)" -ge 3 ]; }
until_true 60 "every device refuses" refused
is "versions" "$(field liar model)" 1
done_testing
