/* Which code writes: the version, and the commit where it was built from a checkout.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_VERSION_H
#define MIEN_STORE_VERSION_H

#include "server/store/entry.h"

/* "0.1.0+1a2b3c4d5e6f", with "-changed" behind it where files differ from the commit; "0.1.0" where
 * the sources came without a history. Goes into ledger entries and cards. */
void mien_version_text(char out[MIEN_ENTRY_SOFTWARE_BYTES]);

#endif
