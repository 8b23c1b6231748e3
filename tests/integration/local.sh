#!/usr/bin/env bash
# Protection of single pictures on a device, with the real programs: what it says they cost is what
# mien account says, it is kept over restarts, and the round that would pass the budget is refused.
. "$(dirname "$0")/lib.sh"

n=6
local=(--local-clip 0.5 --local-noise 1.1 --local-rate 0.25 --local-delta 1e-5)
faces "$n" 8
init state "$n" --set round.rounds=9
for half in "--local-clip 1" "${local[*]}" "${local[*]} --local-epsilon 5 --local-noise 0.1"; do
    # shellcheck disable=SC2086 # options, one a word
    "$MIEN_DEVICE" run --state d0 --faces faces/d0001 $half 2>err
    is "exit status with $half" "$?" 2
    grep -q 'go together' err || fail "$half: $(cat err)"
done

# cost STEPS: what the operator's accountant says of so many steps
cost() {
    "$MIEN" account --noise 1.1 --rate 0.25 --rounds "$1" --delta 1e-5 --sampling poisson \
        --accountant rdp --json | sed -n 's/.*"epsilon":\([0-9.e+]*\),.*/\1/p'
}

# near A B
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > 0 && a < b * 1.0001 && a > b * 0.9999) }'; }

# said N: the epsilon of the N-th line of consent of the first device
said() { sed -n 's/.*device.consent.local.* epsilon=\([0-9.e+]*\) .*/\1/p' first.log | sed -n "$1p"; }

# start_first EPSILON: the device that protects its pictures
start_first() {
    "$MIEN_DEVICE" run --state d0 --faces faces/d0001 "${local[@]}" --local-epsilon "$1" \
        2>>first.log &
    first=$!
    started+=("$first")
}

start_coordinator state --rounds 2
enrol state "$n"
start_first 50
for i in $(seq 1 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
end_of "$coordinator" 60
is "exit status after --rounds 2" "$ended" 0
near "$(said 1)" "$(cost 2)" || fail "the first round costs $(said 1), mien account says $(cost 2)"
near "$(said 2)" "$(cost 4)" || fail "two rounds cost $(said 2), mien account says $(cost 4)"
expect 0 '' "$MIEN" verify state

# --- after a restart, with a budget between what was spent and what a third round would take ---
kill "$first"
end_of "$first" 20
spent=$(said 2)
start_coordinator state --rounds 1
start_first "$(awk -v a="$spent" -v b="$(cost 6)" 'BEGIN { printf "%.9g", (a + b) / 2 }')"
end_of "$first" 60
is "exit status of a device whose budget is used up" "$ended" 3
tail -n 1 first.log | grep -q '^mien-device: .*single examples have cost epsilon' ||
    fail "the device said: $(tail -n 1 first.log)"
done_testing
