#!/usr/bin/env bash
# mien account: every accountant, every question, JSON, the curve, and what is refused.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
account=("$MIEN" account)

# json EXPRESSION COMMAND...: one JSON object, for which the Python expression over `a` is true
json() {
    local test=$1
    shift
    timeout 60 "$@" --json >out 2>err || fail "$*: $(cat err)"
    python3 -c 'import json, sys
a = json.load(open("out"), parse_constant=lambda word: sys.exit("not JSON: " + word))
assert isinstance(a, dict)
sys.exit(0 if eval(sys.argv[1]) else "no: " + sys.argv[1] + " of " + json.dumps(a))' "$test" ||
        fail "$*"
    checks=$((checks + 1))
}

# --- each sampling and mechanism: the smallest valid figure, each with what it assumes ---
is_smallest='a["epsilon"] == min(v for v in a["accountants"].values() if v is not None)
    and a["epsilon"] == a["accountants"][a["smallest"]] and a["epsilon_witness"] >= a["epsilon"]
    and set(a["accountants"]) | {"sampling"} == set(a["assumptions"])'
is_smallest=${is_smallest//$'\n'/ }
has_pld=1
"${account[@]}" --noise 1 --rate .01 --rounds 10 --delta 1e-5 >out || fail "account"
grep -q 'FFTW was left out' out && has_pld=0
[ "$has_pld" = 0 ] || sampled=' and set(a["accountants"]) == {"pld", "rdp"} and a["epsilon_lower"] <= a["accountants"]["pld"]'
json "$is_smallest${sampled:-}" "${account[@]}" --noise 1 --rate .01 --rounds 100 --delta 1e-5
json "$is_smallest${sampled:-}" "${account[@]}" --noise 1 --rate .01 --rounds 100 --delta 1e-5 --relation replace
json "$is_smallest${sampled:-} and a['cohort'] == 100" "${account[@]}" --noise 1 --cohort 100 --population 10000 \
    --rounds 100 --delta 1e-5 --sampling poisson-capped --cap 130
json "$is_smallest${sampled:-}" "${account[@]}" --noise 1 --rate .01 --rounds 100 --delta 1e-5 --sampling fixed
json "$is_smallest and set(a['accountants']) == {'rdp'}" "${account[@]}" --noise 1 --rate .01 --rounds 100 --delta 1e-5 \
    --sampling fixed --relation replace
json "$is_smallest and set(a['accountants']) == {'gaussian', 'rdp', 'zcdp'} and a['epsilon_witness'] == a['epsilon']" \
    "${account[@]}" --noise 5 --rounds 30 --delta 1e-6 --sampling none
json "$is_smallest and abs(a['sensitivity'] - 4 ** .5) < 1e-9" \
    "${account[@]}" --noise 8 --rounds 32 --delta 1e-6 --mechanism tree --restart 8 --separation 32
json "$is_smallest and a['sensitivity'] > 1 and a['mechanism'] == 'tree'" \
    "${account[@]}" --noise 8 --rounds 100 --delta 1e-6 --mechanism tree --separation 20 --participations 3
json "$is_smallest and a['mechanism'] == 'blt'" "${account[@]}" --noise 8 --rounds 100 --delta 1e-6 \
    --mechanism blt --theta 0.98,0.5 --omega 0.02,0.3 --separation 20
json "$is_smallest" "${account[@]}" --noise 8 --rounds 100 --delta 1e-6 --mechanism banded --bands 10 --separation 10
json "$is_smallest" "${account[@]}" --noise 8 --rounds 100 --delta 1e-6 --mechanism toeplitz --separation 10
json 'abs(a["update_noise"] - (1 - 1 / 16) ** -.5) < 1e-9' "${account[@]}" --noise 1 --rate .01 --rounds 10 --delta 1e-5 --clip-noise 2
json 'a["epsilon"] is None or a["epsilon"] > 1e4' "${account[@]}" --noise 0.001 --rate .5 --rounds 1000000 --delta 1e-15

# --- what is solved for fits, and a little more would not ---
json 'a["solved"] == "noise" and 2.999 < a["epsilon"] <= 3' "${account[@]}" --epsilon 3 --rate .02 --rounds 250 --delta 1e-6
json 'a["solved"] == "rate" and 2.999 < a["epsilon"] <= 3' "${account[@]}" --epsilon 3 --noise 1 --rounds 250 --delta 1e-6
json 'a["solved"] == "rounds" and a["epsilon"] <= 3' "${account[@]}" --epsilon 3 --noise 1 --rate .02 --delta 1e-6
rounds=$(python3 -c 'import json; print(json.load(open("out"))["rounds"])')
json 'a["epsilon"] > 3' "${account[@]}" --noise 1 --rate .02 --rounds "$((rounds + 1))" --delta 1e-6
json 'a["solved"] == "rate" and a["cohort"] == int(a["rate"] * 50000) > 100' \
    "${account[@]}" --epsilon 3 --noise 1 --rounds 250 --population 50000 --delta 1e-6
cohort=$(python3 -c 'import json; print(json.load(open("out"))["cohort"])')
json 'a["epsilon"] <= 3' "${account[@]}" --noise 1 --rounds 250 --cohort "$cohort" --population 50000 --delta 1e-6
json 'a["epsilon"] > 3' "${account[@]}" --noise 1 --rounds 250 --cohort "$((cohort + 1))" --population 50000 --delta 1e-6
json 'a["solved"] == "noise" and a["epsilon"] <= 2' "${account[@]}" --epsilon 2 --rounds 64 --delta 1e-6 --mechanism tree

# --- the curve: an XML picture that rises and ends at the figure ---
"${account[@]}" --noise 1 --rate .02 --rounds 250 --delta 1e-6 --curve curve.svg >out 2>err || fail "curve: $(cat err)"
python3 - <<'END' || fail "curve.svg"
import re
import xml.etree.ElementTree as tree
root = tree.parse("curve.svg").getroot()
assert root.tag.endswith("svg") and float(root.get("width")) > 100
lines = [e for e in root.iter() if e.tag.endswith(("polyline", "path"))]
points = [re.findall(r"-?[\d.]+", e.get("points") or e.get("d")) for e in lines]
longest = [float(v) for v in max(points, key=len)]
assert len(longest) >= 20
xs, ys = longest[0::2], longest[1::2]
assert xs == sorted(xs) and ys == sorted(ys, reverse=True) and ys[0] > ys[-1]
END
checks=$((checks + 1))
expect 2 'nowhere/curve.svg' "${account[@]}" --noise 1 --rate .02 --rounds 9 --delta 1e-6 --curve nowhere/curve.svg

# --- what makes no sense: one sentence that names it ---
run=(--rate .02 --rounds 9 --delta 1e-6)
expect 2 '\-\-noise.*(number|"x")' "${account[@]}" --noise x "${run[@]}"
expect 2 'noise multiplier -1' "${account[@]}" --noise -1 "${run[@]}"
expect 2 'noise' "${account[@]}" --noise nan "${run[@]}"
expect 2 'noise' "${account[@]}" --noise inf "${run[@]}"
expect 2 'noise' "${account[@]}" --noise 1e999 "${run[@]}"
expect 2 'rate 0' "${account[@]}" --noise 1 --rate 0 --rounds 9 --delta 1e-6
expect 2 'rate 1.5' "${account[@]}" --noise 1 --rate 1.5 --rounds 9 --delta 1e-6
expect 2 'delta 0' "${account[@]}" --noise 1 --rate .02 --rounds 9 --delta 0
expect 2 'delta 1' "${account[@]}" --noise 1 --rate .02 --rounds 9 --delta 1
expect 2 'rounds' "${account[@]}" --noise 1 --rate .02 --rounds 0 --delta 1e-6
expect 2 'rounds' "${account[@]}" --noise 1 --rate .02 --rounds -5 --delta 1e-6
expect 2 'rounds' "${account[@]}" --noise 1 --rate .02 --rounds 99999999999999999999 --delta 1e-6
expect 2 'epsilon' "${account[@]}" --epsilon 0 "${run[@]}"
expect 2 'epsilon' "${account[@]}" --epsilon -3 "${run[@]}"
expect 2 'no noise multiplier' "${account[@]}" --epsilon 1e-9 --rate 1 --rounds 1000000 --delta 1e-15
expect 2 'not even one' "${account[@]}" --epsilon 0.1 --noise .3 --rate .5 --delta 1e-6
expect 2 'all given' "${account[@]}" --epsilon 3 --noise 1 "${run[@]}"
expect 2 'say the same' "${account[@]}" --noise 1 "${run[@]}" --cohort 5 --population 10
expect 2 'cohort of 50 out of' "${account[@]}" --noise 1 --rounds 9 --delta 1e-6 --cohort 50 --population 10
expect 2 'population' "${account[@]}" --noise 1 --rounds 9 --delta 1e-6 --cohort 50
expect 2 'population' "${account[@]}" --noise 1 "${run[@]}" --sampling poisson-capped --cap 9
expect 2 'cap' "${account[@]}" --noise 1 "${run[@]}" --sampling poisson-capped --population 1000
expect 2 'has no rate' "${account[@]}" --noise 1 "${run[@]}" --sampling none
expect 2 'no relation "swap"' "${account[@]}" --noise 1 "${run[@]}" --relation swap
expect 2 'no accountant "moments"' "${account[@]}" --noise 1 "${run[@]}" --accountant moments
expect 2 'not valid' "${account[@]}" --noise 1 "${run[@]}" --accountant zcdp
expect 2 'no mechanism "forest"' "${account[@]}" --noise 1 "${run[@]}" --mechanism forest
expect 2 'theta and --omega' "${account[@]}" --noise 1 --rounds 9 --delta 1e-6 --mechanism blt
expect 2 'bands' "${account[@]}" --noise 1 --rounds 9 --delta 1e-6 --mechanism banded
expect 2 'positive number' "${account[@]}" --noise 1 --rounds 9 --delta 1e-6 --mechanism blt --theta 1,x --omega 1,1
expect 2 'up to 2\^20' "${account[@]}" --noise 1 --rounds 9999999 --delta 1e-6 --mechanism tree
expect 2 'grid of -1' "${account[@]}" --noise 1 "${run[@]}" --grid -1
expect 2 'clip-noise' "${account[@]}" --noise 1 "${run[@]}" --clip-noise .4
expect 2 '\-\-nose' "${account[@]}" --nose 1 "${run[@]}"
done_testing
