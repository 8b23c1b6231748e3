#!/usr/bin/env bash
# mien-sim over TLS: the daemon as a process, twelve devices of the real library in another; some of
# their connections break in mid-round. What it says is what the ledger it leaves behind says.
#   MIEN_SIM   the built simulator
. "$(dirname "$0")/lib.sh"

number() { sed -n "s/.*\"$2\":\([0-9.e+-]*\)[,}].*/\1/p" "$1" | head -n 1; }
plan=(--preset faces16 --set round.rate=1 --set privacy.sampling=none --set round.cohort=12
    --set round.min_reports=7 --set plan.local_steps=1 --set secure_sum.group_min=5 --set privacy.epsilon_cap=0)

timeout 200 "$MIEN_SIM" "${plan[@]}" --devices 12 --rounds 3 --transport tls --drop 0.2 --seed 3 \
    --out kept --json >run.json 2>err || fail "mien-sim: $(cat err)"
is "released rounds" "$(grep -o '"released":true' run.json | wc -l)" 3
expect 0 '' "$MIEN" verify kept/state
"$MIEN" status kept/state --json >status.json || fail "no status of the state it kept"
is "the epsilon it says" "$(number run.json epsilon)" "$(number status.json epsilon)"
is "the ledger's version" "$(number status.json model)" 3
[ "$(number run.json coordinator_peak_bytes)" -gt 1000000 ] || fail "no peak of the coordinator"
[ -s kept/grid.png ] || fail "no grid"
[ -s kept/model.safetensors ] || fail "no model"

# --- what cannot be, and nothing left behind ---
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
expect 2 'needs? --transport memory' "$MIEN_SIM" "${plan[@]}" --transport tls --lie 0.1
expect 2 'expected memory or tls' "$MIEN_SIM" --transport udp
expect 2 'core of its own' "$MIEN_SIM" --grouped always
expect 2 '3 local steps' "$MIEN_SIM" --set secure_sum.simulate=false --set plan.local_steps=3 --grouped always
expect 2 'expected auto, always or never' "$MIEN_SIM" --grouped sometimes
expect 2 'there already' "$MIEN_SIM" "${plan[@]}" --devices 12 --rounds 1 --transport tls --out kept
is "files left behind" "$(find "$TMPDIR" -mindepth 1 | wc -l)" 0

# --- told to stop, it takes everything with it ---
"$MIEN_SIM" "${plan[@]}" --devices 12 --rounds 500 --transport tls >out 2>err &
sim=$!
under_way() { [ -n "$(find "$TMPDIR" -name control.sock)" ]; }
until_true 60 "a run under way" under_way
kill -TERM "$sim"
status=0
wait "$sim" || status=$?
is "its exit status" "$status" 1
is "files left behind" "$(find "$TMPDIR" -mindepth 1 | wc -l)" 0
done_testing
