#!/usr/bin/env bash
# What the devices hold arrives in the generator: the demonstration's plan and public start model,
# forty simulated devices whose owners mostly wear glasses, and the real secure sum and noise.
# The share of generated faces that wear glasses is measured before and after.
#   MIEN_SIM, GLASSES   built programs;  MIEN_START   the start model
. "$(dirname "$0")/lib.sh"

draw() { "$MIEN" faces --out "$@" >/dev/null 2>err || fail "faces: $(cat err)"; }
share() { "$GLASSES" with without "$1" | cut -d ' ' -f 1; }
within() { # WHAT VALUE LOW HIGH
    awk -v x="$2" -v low="$3" -v high="$4" 'BEGIN { exit !(x >= low && x <= high) }' ||
        fail "$1: $2 of the faces wear glasses, expected $3 to $4"
    echo "$1: $2 of the faces wear glasses"
    checks=$((checks + 1))
}

draw with --each 300 --glasses 1 --skew 0 --seed 11
draw without --each 300 --glasses 0 --skew 0 --seed 12

# --- the template itself, on faces that it was not made from ---
draw other_with --each 200 --glasses 1 --skew 0 --seed 13
draw other_without --each 200 --glasses 0 --skew 0 --seed 14
within "drawn with" "$(share other_with)" 0.85 1
within "drawn without" "$(share other_without)" 0 0.15

# --- the generator, before and after ---
sets=()
draw private --devices 40 --each 20 --glasses 0.9 --hat 0.3 --seed 7
"$MIEN_SIM" --preset demo --init "$MIEN_START" --devices 40 --rounds 10 --faces private --seed 2 \
    --out after >sim.log 2>&1 || fail "mien-sim: $(tail -n 3 sim.log)"
for model in "$MIEN_START" after/model.safetensors; do
    "$MIEN" generate "$model" --count 128 --seed 1 --out "set$checks" >/dev/null 2>err ||
        fail "generate: $(cat err)"
    sets+=("set$checks")
    checks=$((checks + 1))
done
within "before the rounds" "$(share "${sets[0]}")" 0 0.2
within "after ten rounds" "$(share "${sets[1]}")" 0.6 1
done_testing
