#!/bin/sh
# Training steps of ours and of PyTorch in turn, one thread each: CPU milliseconds, medians of the
# medians, and how many times faster ours is.
#
#   tests/bench/engine.sh [BUILDDIR [CASE ...]]     needs python3-torch (Debian)
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/plain}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- gan32-d-16 gan32-g-16 gan32-round-16 gan32-d-32 gan32-g-32 \
    gan32-round-32 gan64-d-16 vae32-step-16 small-grad-5 small-d-5 small-g-5 digits-d-16 digits-g-16
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # PyTorch's own choice is the fair one

median() {
    sort -n | sed -n "$(((rounds + 1) / 2))p"
}

rounds=3
"$build/tests/bench/bench_tensor" none | head -n 1
printf '%-14s %9s %9s %6s %6s\n' case torch ours ratio %peak
for name in "$@"; do
    ours=
    peer=
    for round in $(seq $rounds); do
        peer="$peer $(/usr/bin/python3 tests/bench/torch_peer.py "$name" | cut -d' ' -f2)"
        ours="$ours $("$build/tests/bench/bench_tensor" "$name" |
            awk -v name="$name" '$1 == name {print $2 ":" $10}')"
    done
    mine=$(printf '%s\n' $ours | median)
    theirs=$(printf '%s\n' $peer | median)
    awk -v name="$name" -v peer="$theirs" -v mine="${mine%:*}" -v share="${mine#*:}" \
        'BEGIN {printf "%-14s %9.2f %9.2f %6.2f %6d\n", name, peer, mine, peer / mine, share}'
done
