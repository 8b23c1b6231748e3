#!/usr/bin/env bash
# The budget refuses the round that would pass its cap: exit status 3, the ledger is sound, the
# model stays, and a higher cap lets the next round through.
. "$(dirname "$0")/lib.sh"

n=6
faces "$n" 8
init state "$n" --set round.rounds=9
start_coordinator state --rounds 2
enrol state "$n"
for i in $(seq 0 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
end_of "$coordinator" 60
is "exit status after --rounds 2" "$ended" 0
is "version" "$(field state model)" 2
spent=$(field state epsilon)
awk -v e="$spent" 'BEGIN { exit !(e > 1) }' || fail "epsilon $spent after two rounds of six devices"
model=$(field state model_hash)

# --- a cap of what is spent ---
start_coordinator state --rounds 1 --set "privacy.epsilon_cap=$spent"
end_of "$coordinator" 60
is "exit status when the budget refuses" "$ended" 3
grep -q 'budget.refused' coordinator.log || fail "no word of the refusal"
is "version after the refusal" "$(field state model)" 2
is "model after the refusal" "$(field state model_hash)" "$model"
is "epsilon after the refusal" "$(field state epsilon)" "$spent"
expect 0 '' "$MIEN" verify state

# --- a higher one ---
start_coordinator state --rounds 1 --set privacy.epsilon_cap=100000
end_of "$coordinator" 60
is "exit status under a higher cap" "$ended" 0
is "version under a higher cap" "$(field state model)" 3
expect 0 '' "$MIEN" verify state

# --- what a device's owner allows ---
start_coordinator state --set privacy.epsilon_cap=100000
"$MIEN" token state --count 1 >tokens
expect 0 '' "$MIEN_DEVICE" enrol --token "$(cat tokens)" --state strict
"$MIEN_DEVICE" run --state strict --faces faces/d0001 --max-epsilon 10 2>strict.log &
started+=("$!")
end_of "$!" 30
is "exit status of a device whose owner allows less" "$ended" 3
grep -q '^mien-device: .*epsilon' strict.log || fail "the device said: $(cat strict.log)"
done_testing
