#!/usr/bin/env bash
# Commands that need no coordinator: account, sheet, grids.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# --- account: solving and asking agree, and never to the unit's cost ---
number() { sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p" <<<"$2"; }
common=(--rate 0.02 --rounds 250 --delta 1e-6 --json)
solved=$("$MIEN" account --epsilon 3 "${common[@]}") || fail "account does not solve"
z=$(number noise "$solved")
asked=$("$MIEN" account --noise "$z" "${common[@]}") || fail "account does not answer"
awk -v e="$(number epsilon "$asked")" 'BEGIN { exit !(e <= 3 && e > 2.99) }' ||
    fail "noise $z costs $(number epsilon "$asked"), asked for 3"
awk -v w="$(number epsilon_witness "$asked")" 'BEGIN { exit !(w > 3) }' ||
    fail "a witness pays no more than a reader: $asked"
checks=$((checks + 2))
"$MIEN" account --noise 1 --rate 0.02 --rounds 250 --delta 1e-6 >out 2>err || fail "account: $(cat err)"
grep -q 'for a reader of the releases' out || fail "account says no reader: $(cat out)"
expect 2 'give --noise' "$MIEN" account --rounds 3 --delta 1e-6
expect 2 '\-\-rounds is missing' "$MIEN" account --noise 1 --delta 1e-6
expect 2 '\-\-delta is missing' "$MIEN" account --noise 1 --rounds 3
expect 2 'poisson' "$MIEN" account --noise 1 --rounds 3 --delta 1e-6 --sampling poison

# --- account: noise by devices, whose law costs something where shares are narrow ---
shares=(--mechanism distributed --rounds 10 --delta 1e-6 --shares 9 --dim 1000 --json)
wide=$("$MIEN" account --noise 1 --bound 8192 "${shares[@]}") || fail "account of wide shares"
narrow=$("$MIEN" account --noise 1 --bound 3 "${shares[@]}") || fail "account of narrow shares"
plain=$("$MIEN" account --noise "$(number noise "$narrow")" --rounds 10 --delta 1e-6 --sampling none \
    --accountant zcdp --json) || fail "account of one discrete Gaussian"
is "what wide shares are off" "$(number off "$wide")" 0
awk -v n="$(number epsilon "$narrow")" -v p="$(number epsilon "$plain")" \
    'BEGIN { exit !(n > p && n < p * 1.01) }' ||
    fail "narrow shares cost $(number epsilon "$narrow"), one Gaussian $(number epsilon "$plain")"
expect 2 '\-\-bound' "$MIEN" account --noise 1 --rounds 3 --delta 1e-6 --mechanism distributed
expect 2 'claims nothing' "$MIEN" account --noise 1 "${shares[@]}" --bound 9 --sampling poisson
expect 2 'nothing solved' "$MIEN" account --epsilon 1 "${shares[@]}" --bound 9
expect 2 'mechanism distributed' "$MIEN" account --noise 1 --rounds 3 --delta 1e-6 --shares 9

# --- sheets and grids: pictures of the announced size ---
# size FILE.png: width x height of its header
size() {
    od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'
}
faces 2 6
expect 0 '' "$MIEN" sheet faces/d0001 faces/d0002 --columns 4 --size 16 --out sheet.png
four=$(size sheet.png)
expect 0 '' "$MIEN" sheet faces/d0001 --columns 4 --size 16 --out row.png
one=$(size row.png)
is "rows are as wide" "${four%x*}" "${one%x*}"
[ "${four#*x}" -gt "${one#*x}" ] && [ "${one%x*}" -ge 64 ] || fail "sheets of $four and $one"
expect 2 'fewer than 7 pictures' "$MIEN" sheet faces/d0001 --columns 7 --out none.png
expect 2 '\-\-out is missing' "$MIEN" sheet faces/d0001
expect 2 '\-\-columns' "$MIEN" sheet faces/d0001 --columns 65 --out none.png
[ ! -e none.png ] || fail "a refused sheet left a file"
expect 0 '' "$MIEN" train --preset faces16 --faces procedural --batch 2 --steps 1 --out m.safetensors --grid trained.png
expect 0 '' "$MIEN" generate m.safetensors --count 64 --out set --grid drawn.png
is "grids are as large" "$(size trained.png)" "$(size drawn.png)"
done_testing
