/* Credentials whose signatures were checked before, so that a device need not check those of the
 * same peers in every round: a third of all signatures it checks.
 *
 * Keeps the SHA-256 of each credential that held, under one CA key at a time; of another key's it
 * forgets all. What is not the same bytes is checked in full, and validity in time always. A peer
 * or coordinator can make it forget (it holds so many, and what comes pushes out what was), never
 * know what no CA signed. Its memory lives as long as the process, and nothing in it is secret.
 *
 * Threads: one at a time
 */
#ifndef MIEN_SECAGG_KNOWN_H
#define MIEN_SECAGG_KNOWN_H

#include "common/secagg/credential.h"

/* Credentials it holds at most, and bytes it takes. */
#define MIEN_KNOWN_CREDENTIALS 2048
#define MIEN_KNOWN_BYTES (MIEN_KNOWN_CREDENTIALS * 32 + 1024)

struct mien_known;

/*   out     given: end it with mien_known_free
 *   errors  MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_known_new(struct mien_known **out);

/* NULL is fine. */
void mien_known_free(struct mien_known *known);

/* As mien_credential_verify, but for a signature that held before.
 *
 *   known   NULL: there is none such
 */
MIEN_CHECK enum mien_status mien_known_verify(struct mien_known *known, struct mien_span bytes,
                                              const uint8_t ca_key[32], int64_t now,
                                              struct mien_credential *out, struct mien_err *err);

#endif
