// SPDX-License-Identifier: Apache-2.0
#include "common/plan/symbols.h"

#define FIRST_PRINTABLE 32
#define LAST_PRINTABLE 126

/* The bytes of UTF-8 behind the first one of a character. */
static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

static float symbol_of(unsigned char byte)
{
    if (byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE)
        return (float)(byte - FIRST_PRINTABLE + 1);
    return MIEN_SYMBOL_OTHER;
}

bool mien_symbols_of(const char *text, uint32_t length, float *symbols)
{
    uint32_t n = 0;

    symbols[n++] = MIEN_SYMBOL_END;
    for (; *text != '\0' && n <= length; text++) {
        if (!continues((unsigned char)*text))
            symbols[n++] = symbol_of((unsigned char)*text);
    }
    const bool any = n > 1;
    if (n <= length)
        symbols[n++] = MIEN_SYMBOL_END;
    while (n <= length)
        symbols[n++] = MIEN_SYMBOL_NONE;
    return any;
}

char mien_symbol_char(uint32_t symbol)
{
    if (symbol == MIEN_SYMBOL_END || symbol > MIEN_SYMBOL_OTHER)
        return '\0';
    return symbol == MIEN_SYMBOL_OTHER ? '?' : (char)(FIRST_PRINTABLE + symbol - 1);
}
