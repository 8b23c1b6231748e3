#!/usr/bin/env bash
# A disk that is full: one sentence, exit status 1, and what was acknowledged is still there.
. "$(dirname "$0")/lib.sh"

mkdir small
mount -t tmpfs -o size=12m,mode=0700 mien-test small 2>/dev/null ||
    skip "a small file system cannot be mounted here"
mounted=$work/small
fill() { head -c 20000000 /dev/zero >small/ballast 2>/dev/null; }

# --- no room for a state ---
fill
expect 1 'space' "$MIEN" init small/none --preset demo
[ ! -e small/none ] || fail "half a state was left: $(ls small/none)"
rm small/ballast
expect 0 '' "$MIEN" init small/none --preset demo
rm -r small/none

# --- the disk fills while rounds go on ---
n=6
faces "$n" 8
init small/state "$n" --set limits.come_back_s=1
start_coordinator small/state
enrol small/state "$n"
for i in $(seq 0 $((n - 1))); do start_device "$i" "faces/d000$((i + 1))"; done
until_true 60 "a first version" at_version small/state 1
fill
end_of "$coordinator" 60
is "exit status on a full disk" "$ended" 1
grep -qiE 'space|full' coordinator.log || fail "no word of the disk"

# --- and has room again: nothing is lost, the rounds go on ---
rm small/ballast
expect 0 '' "$MIEN" verify small/state
version=$(field small/state model)
[ "$version" -ge 1 ] || fail "version $version after the disk was full"
start_coordinator small/state
until_true 60 "a version after the disk had room again" at_version small/state $((version + 1))
done_testing
