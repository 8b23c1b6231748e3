#!/usr/bin/env bash
# What people hand in wrong: one clear sentence, the right exit status, nothing touched.
. "$(dirname "$0")/lib.sh"

faces 2 6

# --- configuration ---
expect 2 'round\.cohort' "$MIEN" init bad --preset demo --set round.cohrt=6
[ ! -e bad ] || fail "a refused init left a directory"
expect 2 'demo' "$MIEN" init bad --preset dmeo
expect 2 'init' "$MIEN" inti bad
expect 2 'cohort' "$MIEN" init bad --preset demo --set round.cohort=many
init state 3
expect 2 'there already' "$MIEN" init state --preset demo
expect 2 'round\.cohort' "$MIEN_COORDINATOR" state --set round.cohrt=6
expect 2 'no such option' "$MIEN_COORDINATOR" state --cycles 2
expect 2 'positive' "$MIEN_COORDINATOR" state --rounds 0
expect 2 'no state directory' "$MIEN_COORDINATOR" nowhere
cp -r state typo
sed -i 's/^cohort = /cohrot = /' typo/mien.conf
expect 2 'cohort' "$MIEN_COORDINATOR" typo

# --- a port and a directory in use ---
start_coordinator state
expect 1 'in use' "$MIEN_COORDINATOR" state
"$MIEN" init neighbour --preset demo --port "$port" 2>/dev/null || fail "init neighbour"
expect 1 "port $port" "$MIEN_COORDINATOR" neighbour
"$MIEN" token state >tokens || fail "no token"
expect 0 '' "$MIEN_DEVICE" enrol --token "$(cat tokens)" --state d0

# --- folders of faces ---
run=("$MIEN_DEVICE" run --state d0 --faces)
mkdir empty
expect 2 'no faces' "${run[@]}" empty
expect 2 'nowhere' "${run[@]}" nowhere
expect 2 'mien-sim' "${run[@]}" faces
cp -r faces/d0001 cut
truncate -s $(($(stat -c %s cut/0001.png) / 2)) cut/0001.png
expect 2 'cut/0001\.png.*damaged' "${run[@]}" cut
cp -r faces/d0001 noise
head -c 3000 /dev/urandom >noise/0002.png
expect 2 'noise/0002\.png' "${run[@]}" noise
cp -r faces/d0001 named
printf 'device,file,glasses\nd0001,nobody.png,1\n' >named/attributes.csv
expect 2 'nobody\.png' "${run[@]}" named
expect 2 '' "$MIEN" train --faces empty --steps 1 --out none.safetensors
[ ! -e none.safetensors ] || fail "a model of no faces"

# --- start models ---
"$MIEN" train --preset faces16 --faces procedural --steps 1 --out other.safetensors 2>err ||
    fail "train: $(cat err)"
expect 2 'other\.safetensors' "$MIEN" init bad --preset demo --set plan.init_from="$work/other.safetensors"
head -c 5000 other.safetensors >short.safetensors
expect 2 'short\.safetensors' "$MIEN" init bad --preset demo --set plan.init_from="$work/short.safetensors"
expect 2 'absent' "$MIEN" init bad --preset demo --set plan.init_from="$work/absent.safetensors"
expect 2 '' "$MIEN" generate short.safetensors --count 1 --out set
[ ! -e bad ] || fail "a refused init left a directory"
expect 0 '' "$MIEN" verify state
done_testing
