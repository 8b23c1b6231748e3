#!/usr/bin/env bash
# What mien export writes, run by a runtime that shares nothing with mien: onnxruntime-web
# (WebAssembly), installed with npm at the versions and hashes of onnx/package-lock.json.
#   ONNX_RUNTIME   a directory of the build, where it is installed once
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# --- what needs no runtime ---
"$MIEN" train --preset demo --set 'plan.attributes=glasses:0|1, age:0..100' --faces procedural \
    --steps 20 --out asked.safetensors 2>err || fail "train: $(cat err)"
expect 2 '\-\-onnx is missing' "$MIEN" export asked.safetensors
expect 2 'absent' "$MIEN" export absent.safetensors --onnx none.onnx
head -c 5000 asked.safetensors >short.safetensors
expect 2 'short\.safetensors' "$MIEN" export short.safetensors --onnx none.onnx
expect 2 'nowhere' "$MIEN" export asked.safetensors --onnx nowhere/none.onnx
[ ! -e none.onnx ] || fail "a refused export left a file"
expect 0 '' "$MIEN" export asked.safetensors --onnx asked.onnx
expect 0 '' "$MIEN" export asked.safetensors --onnx again.onnx
cmp asked.onnx again.onnx || fail "the same model gives two files"
expect 2 'up to 4096' "$MIEN" generate asked.safetensors --count 4097 --out many --raw many.raw

# --- the runtime ---
install_runtime() {
    mkdir -p "$ONNX_RUNTIME" && cp "$here"/onnx/package.json "$here"/onnx/package-lock.json "$ONNX_RUNTIME" &&
        (cd "$ONNX_RUNTIME" && timeout 200 npm ci --ignore-scripts --no-audit --no-fund \
            --prefer-offline --fetch-retries=1 --loglevel=error) >npm.log 2>&1 &&
        cp "$here/onnx/package-lock.json" "$ONNX_RUNTIME/installed"
}
command -v npm >/dev/null || skip "no npm: the exported models were not run"
if ! cmp -s "$here/onnx/package-lock.json" "$ONNX_RUNTIME/installed" && ! install_runtime; then
    ! grep -q EINTEGRITY npm.log || fail "a package is not what the lock file says: $(cat npm.log)"
    skip "npm does not install the runtime, so the exported models were not run: $(tail -n 3 npm.log)"
fi
cp "$here/onnx/run.mjs" "$ONNX_RUNTIME"

# fact NAME: of the last run
fact() { sed -n "s/^$1=//p" facts; }

# compare NAME: NAME.onnx against the pictures of NAME.safetensors, to 1e-4
compare() {
    "$MIEN" generate "$1.safetensors" --count 20 --out "$1.set" --raw "$1.raw" 2>err ||
        fail "generate: $(cat err)"
    compare_raw "$1"
}

# compare_raw NAME: NAME.onnx against what NAME.raw holds
compare_raw() {
    node "$ONNX_RUNTIME/run.mjs" "$1.onnx" "$1.raw" "$here/../../proto/onnx.proto" >facts 2>err ||
        fail "$1: the runtime refuses: $(tail -n 5 err)"
    awk -v d="$(fact difference)" 'BEGIN { exit !(d <= 1e-4) }' ||
        fail "$1: results differ by $(fact difference)"
    awk -v s="$(fact spread)" 'BEGIN { exit !(s >= 0.01) }' || fail "$1: results are all the same"
    echo "$1: results differ by $(fact difference) at most"
    checks=$((checks + 1))
}

compare asked
is inputs "$(fact inputs)" 'latent[N,64] code[N,5]'
is outputs "$(fact outputs)" 'pictures[N,3,32,32]'
is vocabulary "$(fact mien_attributes)" 'glasses:0|1, age:0..100'
is columns "$(fact mien_code_columns)" \
    'glasses=0,glasses=1,glasses=unknown,age from 0..100 to -1..1,age is known'
is weights "$(fact mien_weights)" 'running average'
is training "$(fact mien_training)" public

for preset in digits28 faces32-large; do # transposed convolutions, norms of flat data
    "$MIEN" train --preset "$preset" --faces procedural --batch 2 --steps 1 \
        --out "$preset.safetensors" 2>err || fail "train: $(cat err)"
    "$MIEN" export "$preset.safetensors" --onnx "$preset.onnx" 2>err || fail "export: $(cat err)"
    compare "$preset"
    rm -r "$preset".*
done

"$MIEN" init state --preset faces16 2>err || fail "init: $(cat err)"
expect 0 '' "$MIEN" export state --onnx state.onnx
cp state/models/*.safetensors state.safetensors
compare state
is inputs "$(fact inputs)" 'latent[N,64]'

# --- encoders and classifiers: from pictures ---
for family in "autoencoder32" "vae32 plan.attributes=glasses:0|1" "classifier32"; do
    read -r preset key <<<"$family"
    "$MIEN" train --preset "$preset" ${key:+--set "$key"} --faces procedural --batch 4 --steps 3 \
        --out "$preset.safetensors" 2>err || fail "train $preset: $(cat err)"
    encoder=--encoder
    [ "$preset" != classifier32 ] || encoder=
    "$MIEN" export "$preset.safetensors" --onnx "$preset.onnx" $encoder 2>err || fail "export: $(cat err)"
    "$ONNX_REFERENCE" "$preset.safetensors" "$preset.raw" || fail "no reference of $preset"
    compare_raw "$preset"
done
is "classifier's outputs" "$(fact outputs)" 'scores[N,2]'
is "its network" "$(fact mien_network)" classifier
expect 2 'a classifier has no encoder' "$MIEN" export classifier32.safetensors --onnx none.onnx --encoder
expect 2 'a gan has no encoder' "$MIEN" export asked.safetensors --onnx none.onnx --encoder
"$MIEN" export vae32.safetensors --onnx vae32.onnx 2>err || fail "export: $(cat err)"
compare vae32
done_testing
