#!/usr/bin/env bash
# Every family: trained in one place with what it shows; a vae whose encoders stay on the devices
# through a real coordinator and real devices.
. "$(dirname "$0")/lib.sh"

# --- in one place ---
train() {
    "$MIEN" train --faces procedural --steps 20 --batch 8 --seed 2 "$@" >out 2>err ||
        fail "train $*: $(cat err)"
}
said() { grep -qE "$1" err || fail "no $1 in: $(cat err)"; checks=$((checks + 1)); }
is_png() { is "$1" "$(head -c 4 "$1" | tail -c 3)" PNG; }

train --preset vae32 --out vae --grid vae.png
said 'train\.step step=20 loss=[0-9.]+ '
said 'train\.judged mean_square=[0-9.]+ held_out=1024'
is_png vae.png
train --preset autoencoder32 --out autoencoder --grid autoencoder.png
said 'train\.judged mean_square='
is_png autoencoder.png
train --preset classifier32 --set 'plan.attributes=hair_color:black|brown|blond|red|gray' \
    --out classifier
said 'train\.judged accuracy=[01]\.[0-9]+ held_out=1024'
train --preset charlm --set plan.text_length=24 --out charlm
said 'train\.judged bits_per_character='
is "texts drawn" "$(wc -l <out)" 16
train --preset moments32 --out moments --grid moments.png
said 'train\.step step=20 loss='
is_png moments.png
train --preset faces16 --set 'plan.attributes=hat:0|1' --set plan.conditioning=projection --out gan
said 'train\.step step=20 d_loss='
train --preset faces16 --set plan.norm=batch --out batch
said 'plan\.warning why="plan\.norm = batch'

# --- what draws, draws; what does not says so ---
for model in vae moments gan; do
    expect 0 '' "$MIEN" generate $model --count 4 --seed 1 --out "set-$model"
    is "pictures of $model" "$(find "set-$model" -name '*.png' | wc -l)" 4
done
for model in autoencoder classifier charlm; do
    expect 2 "family $model draws no pictures" "$MIEN" generate $model --count 4 --out "set-$model"
    [ ! -e "set-$model" ] || fail "a refused generate left a directory"
done
expect 2 'draws no pictures' "$MIEN" train --preset classifier32 --faces procedural --steps 1 \
    --out none --grid none.png
expect 2 'norm = batch' "$MIEN" export batch --onnx batch.onnx
expect 2 'family' "$MIEN" train --preset faces16 --set plan.family=pca --faces procedural \
    --steps 1 --out none
expect 2 'encoder ends at 1 numbers, not 128' "$MIEN" train --preset faces16 \
    --set plan.family=vae --faces procedural --steps 1 --out none
expect 2 'plan\.share' "$MIEN" init bad --preset faces16 --set plan.share=decoder

# --- texts from a folder ---
faces 3 8
train --preset charlm --set plan.text_length=24 --faces faces --out folder
cp -r faces wordless
sed -i 's/,text$/,note/' wordless/attributes.csv
expect 2 'no column "text"' "$MIEN" train --preset charlm --faces wordless --steps 1 --out none

# --- encoders that stay on the devices ---
init state 3 --preset vae32 --set plan.share=decoder --set plan.min_examples=4 \
    --set round.rate=1 --set privacy.sampling=none --set privacy.epsilon_cap=0 \
    --set secure_sum.group_max=8
start_coordinator state
enrol state 3
for i in 0 1 2; do start_device "$i" "faces/d000$((i + 1))"; done
until_true 90 "two versions" at_version state 2
for i in 0 1 2; do
    is "mode of a kept encoder" "$(stat -c %a "d$i/own.model")" 600
    is "length of a kept encoder" "$(stat -c %s "d$i/own.model")" $((40 + 4 * 173040))
done
cmp -s d0/own.model d1/own.model && fail "two devices have the same encoder"
kill "$coordinator"
end_of "$coordinator" 40
expect 0 '' "$MIEN" generate state --count 4 --seed 1 --out set-state
expect 0 '' "$MIEN" verify state

done_testing
