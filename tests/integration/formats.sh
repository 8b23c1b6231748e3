#!/usr/bin/env bash
# Models from and to other programs' files: import by a name map.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# --- a model of ours as if it were another program's ---
"$MIEN" train --preset faces16 --faces procedural --batch 4 --steps 3 --out ours.safetensors 2>err ||
    fail "train: $(cat err)"
grep -aoE '"(average\.)?[dg]\.[0-9]+\.(weight|bias)"' ours.safetensors | tr -d '"' | sort -u |
    sed 's/.*/& = &/' >same.map
import=("$MIEN" import ours.safetensors --preset faces16 --out)
expect 0 '' "${import[@]}" same.safetensors --map same.map
cmp ours.safetensors same.safetensors || fail "an import of every tensor is another model"

grep '^g' same.map >generator.map
expect 0 'first network: it starts fresh' "${import[@]}" half.safetensors --map generator.map --seed 4
! cmp -s ours.safetensors half.safetensors || fail "the discriminator came along"

# --- refusals: line and culprit, and no file ---
sed 's/^g\.0\.bias = .*/g.0.bias = nobody/' same.map >typo.map
line=$(grep -n nobody typo.map | cut -d: -f1)
expect 2 "typo\.map: line $line: no tensor \"nobody\"" "${import[@]}" none.safetensors --map typo.map
sed 's/^\(g\.5\.weight = .*\)/\1 transpose 2,3,1,0/' same.map >turned.map
grep -q transpose turned.map || fail "the map has no g.5.weight"
expect 2 'turned\.map: line [0-9]+: "g\.5\.weight" is 3 x 3 x' "${import[@]}" none.safetensors --map turned.map
sed '/^d\.0\.bias/d' same.map >part.map
expect 2 '"d\.0\.bias" is missing' "${import[@]}" none.safetensors --map part.map
expect 2 'absent' "${import[@]}" none.safetensors --map absent.map
expect 2 '\-\-map is missing' "${import[@]}" none.safetensors
expect 2 'absent' "$MIEN" import absent.safetensors --map same.map --out none.safetensors
head -c 3000 ours.safetensors >short.safetensors
expect 2 'short\.safetensors' "$MIEN" import short.safetensors --map same.map --out none.safetensors
expect 2 'did you mean' "${import[@]}" none.safetensors --map same.map --preset faces61
expect 2 'same\.map: line' "${import[@]}" none.safetensors --map same.map --preset digits28

# --- pictures as codes ---
faces 2 5
"$MIEN" train --preset autoencoder32 --faces procedural --batch 4 --steps 2 --out coder.safetensors 2>err ||
    fail "train: $(cat err)"
expect 0 '' "$MIEN" encode coder.safetensors --faces faces --out codes.safetensors
grep -aqE '"latents":\{"dtype":"F32","shape":\[10,[0-9]+\]' codes.safetensors || fail "no codes of 10 pictures"
grep -aqE '"pictures":\{"dtype":"F32","shape":\[10,32,32,3\]' codes.safetensors || fail "no pictures"
expect 0 '' "$MIEN" encode coder.safetensors --faces faces --out again.safetensors
cmp codes.safetensors again.safetensors || fail "the same pictures have other codes"
expect 2 'a gan has no encoder' "$MIEN" encode ours.safetensors --faces faces --out none.safetensors
expect 2 '\-\-faces is missing' "$MIEN" encode coder.safetensors --out none.safetensors
expect 2 'absent' "$MIEN" encode coder.safetensors --faces absent --out none.safetensors
[ ! -e none.safetensors ] || fail "a refused import left a file"
done_testing
