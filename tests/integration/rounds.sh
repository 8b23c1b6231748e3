#!/usr/bin/env bash
# Rounds of eight devices with noise: two devices are killed in mid-round and come back, the
# coordinator is killed in mid-round and starts again; nothing acknowledged is lost.
. "$(dirname "$0")/lib.sh"

n=8
faces "$n" 8
init state "$n"
start_coordinator state
enrol state "$n"
is "devices enrolled" "$(field state enrolled)" "$n"
for i in $(seq 0 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
until_true 60 "a first version" at_version state 1

# --- two of eight leave in mid-round; a session of eight needs six ---
until_true 30 "a session under way" in_phase state collect keys shares inputs reveals
kill -9 "${device[0]}" "${device[1]}"
before=$(field state model)
until_true 60 "a version without the two" at_version state $((before + 1))
start_device 0 faces/d0001
start_device 1 faces/d0002

# --- the coordinator leaves in mid-round ---
until_true 30 "a round under way" in_phase state collect keys shares inputs reveals releasing
before=$(field state model)
spent=$(field state epsilon)
head_before=$(field state head)
kill -9 "$coordinator"
until_true 10 "the coordinator is gone" gone "$coordinator"
expect 0 '' "$MIEN" verify state
start_coordinator state
at_version state "$before" || fail "version $(field state model) after a restart, $before before"
awk -v a="$(field state epsilon)" -v b="$spent" 'BEGIN { exit !(a >= b) }' ||
    fail "epsilon $(field state epsilon) after a restart, $spent before"
[ -n "$head_before" ] || fail "no head of the ledger"
until_true 60 "a version after the restart" at_version state $((before + 2))
connected() { [ "$(field state connected)" = "$1" ]; }
until_true 30 "all devices are back" connected "$n"

# --- the coordinator is told to stop: the round under way ends ---
"$MIEN" status state --json >status.json || fail "no status"
kill "$coordinator"
end_of "$coordinator" 40
is "exit status of a coordinator that was told to stop" "$ended" 0

# --- what outside readers rely on ---
for key in round model epsilon delta epsilon_cap devices enrolled connected last_round drawn \
    assigned reported survived seconds; do
    grep -q "\"$key\":" status.json || fail "mien status --json has no \"$key\""
    checks=$((checks + 1))
done
"$MIEN" verify state --json >verify.json || fail "verify: $(cat verify.json)"
for pair in '"ok": *true' '"epsilon": *[0-9]' '"problems": *\[\]'; do
    grep -qE "$pair" verify.json || fail "mien verify --json: no $pair in $(cat verify.json)"
    checks=$((checks + 1))
done

# --- a set from it, twice the same for one seed, and its release is sound ---
expect 0 '' "$MIEN" generate state --count 8 --seed 1 --out set
expect 0 '' "$MIEN" generate state --count 8 --seed 1 --out again
is "pictures" "$(ls set/*.png | wc -l)" 8
cmp -s set/metadata.jsonl again/metadata.jsonl || fail "one seed, two sets"
is "lines of metadata.jsonl" "$(grep -c '^{"file_name": *"' set/metadata.jsonl)" 8
expect 0 '' "$MIEN" verify set
expect 0 '' "$MIEN" verify set/000003.png
key=$(grep -o '"signing_key": "[0-9a-f]*"' set/release.json | cut -d '"' -f 4)
expect 0 '' "$MIEN" verify set --key "$key"
expect 1 'not by the one expected' "$MIEN" verify set/000003.png --key "${key//[0-4]/5}"
"$MIEN" verify set >words || fail "no words about a set"
for word in 'reader' 'witness' 'zero-out' 'unit' 'Assumed' 'Not covered' 'coordinator itself'; do
    grep -q "$word" words || fail "mien verify says nothing of \"$word\": $(cat words)"
    checks=$((checks + 1))
done
printf '\377' | dd of=set/000003.png bs=1 seek=$(($(stat -c %s set/000003.png) - 30)) \
    conv=notrunc 2>/dev/null
expect 1 '000003.png' "$MIEN" verify set/000003.png
expect 1 '000003.png' "$MIEN" verify set

# --- a ledger that was changed is found out ---
cp -r state forged
printf '\377' | dd of=forged/ledger.db bs=1 seek=$(($(stat -c %s forged/ledger.db) - 40)) \
    conv=notrunc 2>/dev/null
model=$(find forged/models -name '*.safetensors' | sort | tail -n 1)
printf '\377' | dd of="$model" bs=1 seek=$(($(stat -c %s "$model") - 2)) conv=notrunc 2>/dev/null
! "$MIEN" verify forged >out 2>err || fail "a changed ledger and a changed model verify"
done_testing
