#!/usr/bin/env bash
# What a plan takes is said before anything runs: by mien plan to the operator, by the guard of a
# device that gives less, and the device keeps to it.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# figure KEY PLAN OPTION...: a number of mien plan --json
figure() {
    local key=$1
    shift
    "$MIEN" plan "$@" --json 2>err | sed -n "s/.*\"$key\":\([0-9.e+-]*\).*/\1/p"
}

# --- what mien plan says ---
expect 0 '' "$MIEN" plan faces32
is parameters "$(figure parameters faces32)" 278868
is "parameters of the first network" "$(figure parameters_first faces32)" 42865
[ "$(figure flops_step faces32 --set plan.batch=10)" -gt "$(figure flops_step faces32)" ] ||
    fail "twice the batch is no more work"
is "seconds at 2 GFLOP/s" "$(figure seconds_round faces32 --gflops 2)" \
    "$(awk -v f="$(figure flops_round faces32)" 'BEGIN { printf "%.15g", f / 2e9 }')"
"$MIEN" plan faces32 --explain >out 2>err || fail "plan --explain: $(cat err)"
grep -qE '^ +0 conv 4x4 / 2 +16 x 16 x 16 +784 ' out || fail "no first layer in $(cat out)"
grep -q 'GFLOP/s, measured here' out || fail "it does not say that it measured"
checks=$((checks + 2))
expect 2 'did you mean' "$MIEN" plan faces23
expect 2 'plan\.batch' "$MIEN" plan faces32 --set plan.bach=3
expect 2 'layer|parameters|batch|local_steps' "$MIEN" plan faces32 --set plan.local_steps=0
expect 2 'above 0' "$MIEN" plan faces32 --gflops 0

# --- a device that gives less refuses, naming both figures; the first is the operator's ---
faces 3 6
init state 3 --set plan.batch=16
mib=$(awk -v b="$(figure device_bytes state)" 'BEGIN { printf "%d", b / 1048576 }')
[ "$mib" -ge 5 ] || fail "a plan of $mib MiB"
start_coordinator state
enrol state 3
for i in 1 2; do start_device $i "faces/d000$((i + 1))"; done
expect 3 "the plan needs ($mib|$((mib + 1))) MiB, this device gives $((mib - 1))" \
    "$MIEN_DEVICE" run --state d0 --faces faces/d0001 --once --memory-mib $((mib - 1))

# --- one that gives enough takes part ---
start_device 0 faces/d0001
until_true 60 "a round is released" at_version state 1
# facts STATE NUMBER: for docs/experiments, what the kernel saw of a device
facts() {
    echo "$1: said $(($(figure device_bytes "$1") / 1024)) kB"
    grep -E 'VmHWM|RssAnon|RssFile' "/proc/${device[$2]}/status"
}
[ -z "${MEMORY_FACTS:-}" ] || facts state 1
expect 0 '' "$MIEN" verify state

# --- presets at their own size, against the bars: 24 and 64 MiB ---
measured() {
    local preset=$1
    kill "${device[@]}" "$coordinator" 2>/dev/null
    wait 2>/dev/null
    rm -rf d? tokens
    init "$preset" 3 --preset "$preset" --set "plan.batch=$2" --set plan.local_steps=1 \
        --set round.rate=1 --set privacy.sampling=none --set privacy.epsilon_cap=0
    start_coordinator "$preset"
    enrol "$preset" 3
    for i in 0 1 2; do start_device $i "faces/d000$((i + 1))"; done
    until_true 45 "$preset: a round is released" at_version "$preset" 1
    facts "$preset" 1
}
if [ -n "${MEMORY_FACTS:-}" ]; then
    measured faces32 5
    measured faces32-large 16
fi
done_testing
