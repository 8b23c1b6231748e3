#!/usr/bin/env bash
# A drill with a live fleet: zeros are summed whoever is left out, what could have been borne is
# said, ledger and model stay as they were, and devices are as ready for rounds as before.
. "$(dirname "$0")/lib.sh"

n=8
faces "$n" 4
# With a tenth that may leave, eight devices are too few for a round of eight: the fleet waits.
init state "$n" --set "round.min_reports=$n" --set limits.come_back_s=2
expect 1 'coordinator that runs' "$MIEN" drill state
start_coordinator state
expect 1 'devices are waiting' "$MIEN" drill state
enrol state "$n"
for i in $(seq 0 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
all_here() { [ "$(field state connected)" = "$n" ]; }
until_true 30 "all devices are connected" all_here
ledger=$("$MIEN" status state --json | sed 's/.*"ledger"//; s/}.*//')

# said NAME: of the drill's JSON
said() { sed -n "s/.*\"$1\":\([A-Za-z0-9.]*\).*/\1/p" out; }

expect 0 '' "$MIEN" drill state --drop 0.25 --json
is "members" "$(said members)" "$n"
is "left out" "$(said left_out)" 2
is "survivors" "$(said survived)" 6
is "sum is right" "$(said right)" true
is "what could have left (2 of 8: 6 of 8 shares rebuild)" "$(said survivable)" 0.25
expect 1 'no right sum' "$MIEN" drill state --drop 0.5
expect 0 '' "$MIEN" drill state
grep -q 'sum *right' out || fail "the drill said: $(cat out)"
expect 2 'share' "$MIEN" drill state --drop 0.95
is "ledger after drills" "$("$MIEN" status state --json | sed 's/.*"ledger"//; s/}.*//')" "$ledger"
grep -q 'zero_vector' devices.log && fail "a device trained for a drill"
kill "$coordinator"
end_of "$coordinator" 30
expect 0 '' "$MIEN" verify state

# --- a round after drills: the same devices, a plan that opens ---
init state2 "$n"
start_coordinator state2 --rounds 1
rm -rf d?
enrol state2 "$n"
for i in $(seq 0 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
"$MIEN" drill state2 --drop 0.1 >drilled 2>&1
end_of "$coordinator" 60
is "exit status of a run with a drill" "$ended" 0
is "version of a run with a drill" "$(field state2 model)" 1
done_testing
