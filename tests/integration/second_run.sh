#!/usr/bin/env bash
# Another model of the same people: it goes on the same ledger, its cost is added, one cap holds.
. "$(dirname "$0")/lib.sh"

# value DIR NAME: a number of mien status
value() { "$MIEN" status "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }
# near A B: equal but for rounding
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 1e-18 * a * a) }'; }

n=6
faces "$n" 8
init state "$n" --set round.rounds=2
start_coordinator state --rounds 2
expect 1 'in use' "$MIEN" run state
enrol state "$n"
for i in $(seq 0 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
end_of "$coordinator" 60
is "exit status of the first run" "$ended" 0
is "version after the first run" "$(field state model)" 2
first=$(value state epsilon)
delta=$(value state delta)

# --- what is fixed needs another run, and nothing is changed by a run that cannot begin ---
cp state/mien.conf kept.conf
expect 2 'noise_multiplier' "$MIEN" run state --set privacy.noise_multiplier=-1
expect 2 'noise_multiplyer' "$MIEN" run state --set privacy.noise_multiplyer=2
expect 2 'no preset' "$MIEN" run state --preset faces31
expect 2 'no state directory' "$MIEN" run nowhere
cmp -s state/mien.conf kept.conf || fail "a refused run changed mien.conf"
is "version after refused runs" "$(field state model)" 2
sed -i 's/^noise_multiplier *=.*/noise_multiplier = 0.8/' state/mien.conf
grep -q 'noise_multiplier = 0.8' state/mien.conf || fail "no key noise_multiplier in mien.conf"
expect 3 'noise or its bound is fixed for a run.*mien run' "$MIEN_COORDINATOR" state --rounds 1

# --- another run, of the plan as it was edited ---
expect 0 'Run 2 begins' "$MIEN" run state
is "version that the second run starts from" "$(field state model)" 3
near "$(value state epsilon)" "$first" || fail "beginning a run cost $(value state epsilon), spent was $first"
start_coordinator state --rounds 1
end_of "$coordinator" 60
is "exit status of the second run" "$ended" 0
is "version after the second run" "$(field state model)" 4
both=$(value state epsilon)
alone=$("$MIEN" verify state --json) || fail "verify: $alone"
near "$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["epsilon"])' "$alone")" "$both" ||
    fail "verify says $alone, status $both"
near "$(value state delta)" "$(awk -v d="$delta" 'BEGIN { printf "%.17g", 2 * d }')" || fail "delta is not that of both runs"
# One round of the second run alone costs what its plan says.
one=$("$MIEN" account --noise 0.8 --rounds 1 --delta "$delta" --sampling none --json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["epsilon"])')
awk -v f="$first" -v o="$one" -v b="$both" 'BEGIN { exit !(b >= f + o * 0.999 && b < f + o * 1.001) }' ||
    fail "both runs cost $both, the first $first, a round of the second $one"

# --- one cap for both ---
start_coordinator state --rounds 1 --set "privacy.epsilon_cap=$both"
end_of "$coordinator" 60
is "exit status when the sum would pass the cap" "$ended" 3
near "$(value state epsilon)" "$both" || fail "a refused round was charged"
is "releases that fit under the cap" "$(value state rounds_fit)" 0
"$MIEN" status state | grep -q '^run *2: 1 of 2 planned .* the cap admits no more; the next makes it' || fail "status: $("$MIEN" status state)"
checks=$((checks + 1))
expect 0 '' "$MIEN" verify state

# --- a third, by keys, with another network ---
expect 0 'Run 3 begins' "$MIEN" run state --set round.rounds=1 --set plan.local_steps=1
grep -q 'local_steps *= *1' state/mien.conf || fail "--set is not in mien.conf"
start_coordinator state --rounds 1 --set privacy.epsilon_cap=1000000
end_of "$coordinator" 60
is "exit status of the third run" "$ended" 0
is "version after the third run" "$(field state model)" 6
is "the third run's charges" "$(value state run) $(value state rounds_charged) $(value state rounds_fit)" "3 1 1"
expect 0 '' "$MIEN" verify state
expect 0 '' "$MIEN" generate state --count 2 --out set
expect 0 '' "$MIEN" verify set
done_testing
