/* Texts as symbols, for character models.
 *
 * Symbol 0 begins and ends a text, 1 to 95 are the printable ASCII characters in their order
 * (a blank is 1), 96 is every other character (one for each of UTF-8, however long).
 *
 * Threads: any
 */
#ifndef MIEN_PLAN_SYMBOLS_H
#define MIEN_PLAN_SYMBOLS_H

#include "common/plan/plan.h"

/* The attribute that holds an example's text in charlm plans. */
#define MIEN_SYMBOLS_ATTRIBUTE "text"

#define MIEN_SYMBOL_END 0
#define MIEN_SYMBOL_OTHER 96

/* Behind a text's end; no symbol. */
#define MIEN_SYMBOL_NONE (-1)

/* A text as `length` + 1 numbers: the symbol that begins it, its characters, the symbol that ends
 * it, then MIEN_SYMBOL_NONE. A longer text is cut.
 *
 *   symbols  [length + 1] out
 *   returns  whether there was a character
 */
bool mien_symbols_of(const char *text, uint32_t length, float *symbols);

/* A symbol as a character: '?' for MIEN_SYMBOL_OTHER, '\0' for the end and what is no symbol. */
char mien_symbol_char(uint32_t symbol);

#endif
