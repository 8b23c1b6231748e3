#!/bin/sh
# Prints the names of the unit tests of one area: test_NAME.c gives NAME.
cd "$(dirname "$0")" || exit 1
for file in "$1"/test_*.c; do
    [ -e "$file" ] || continue
    name=${file##*/test_}
    echo "${name%.c}"
done
