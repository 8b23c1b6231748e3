#!/bin/sh
# headers.sh SOURCE_INCLUDE BUILD_INCLUDE: the public header compiles alone, as C99 and as C++,
# with every warning an error.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/host.c" <<'END'
#include <mien/client.h>

int main(void)
{
    struct mien_client_config config = MIEN_CLIENT_CONFIG_INIT;
    struct mien_client_wish wish;

    wish.flags = MIEN_CLIENT_WORK;
    return config.struct_bytes == sizeof(config) && wish.flags != 0 ? 0 : 1;
}
END
cp "$work/host.c" "$work/host.cc"
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    $compiler -std=c99 -pedantic -Wall -Wextra -Werror -I"$1" -I"$2" -c "$work/host.c" -o "$work/o"
done
for compiler in g++ clang++; do
    command -v $compiler >/dev/null || continue
    for standard in c++11 c++17; do
        $compiler -std=$standard -pedantic -Wall -Wextra -Werror -I"$1" -I"$2" -c "$work/host.cc" \
            -o "$work/o"
    done
done
