#!/bin/sh
# Prints the names of the fuzz targets: fuzz_NAME.c gives NAME.
cd "$(dirname "$0")" || exit 1
for file in fuzz_*.c; do
    [ -e "$file" ] || continue
    name=${file#fuzz_}
    echo "${name%.c}"
done
