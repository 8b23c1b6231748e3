/* What cards call the numbers of a mechanism.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_CARD_NAMES_H
#define MIEN_STORE_CARD_NAMES_H

#include "server/store/entry.h"

/* Names by number, from 1; NULL ends the list. */
extern const char *const mien_card_kinds[];
extern const char *const mien_card_relations[];
extern const char *const mien_card_units[];
extern const char *const mien_card_makers[];

/* The name of a number, "?" for none; the number of a name, 0 for none. */
const char *mien_card_name(const char *const *names, unsigned number);
unsigned mien_card_number(const char *const *names, const char *name);

#endif
