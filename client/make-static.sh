#!/bin/sh
# make-static.sh OUTPUT OBJCOPY DIR CC... -- ARCHIVE...
# One archive of one object: all of the first archive and what it needs of the others, with every
# hidden symbol made local, so that a host's own names never meet ours.
set -eu
output=$1 objcopy=$2 dir=$3
shift 3
compiler=
while [ "$1" != -- ]; do
    compiler="$compiler $1"
    shift
done
shift
first=$1
shift
mkdir -p "$dir"
object=$dir/mien-client.o
# $compiler is a command and its options: to be split.
$compiler -r -nostdlib -o "$object" -Wl,--whole-archive "$first" -Wl,--no-whole-archive \
    -Wl,--start-group "$@" -Wl,--end-group
"$objcopy" --localize-hidden "$object"
rm -f "$output"
ar rcsD "$output" "$object"
