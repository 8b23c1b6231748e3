/* release.json: what a generated set is and what it costs, signed.
 *
 * Written beside generated pictures; docs/file-formats.md gives every member. The signature is
 * Ed25519 under the ledger's signing key over "mien release v1" and the file's bytes before the
 * line of the signature, so a reader checks it without parsing. A set made from a model file alone
 * has no ledger behind it: it claims no epsilon, and nothing signs it.
 *
 * Threads: as store.h
 */
#ifndef MIEN_STORE_RELEASE_H
#define MIEN_STORE_RELEASE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/statedir.h"

#include <stdint.h>

/* What the maker of a set knows. */
struct mien_release_set {
    uint64_t n_images;
    uint64_t seed;
    uint8_t metadata_digest[32]; /* SHA-256 of metadata.jsonl, which names each picture's digest */
    uint8_t file_digest[32];     /* SHA-256 of the model file that the pictures are from */
};

/* Adds the text for a set from a model version of a state directory, signed.
 * errors  MIEN_ENOTFOUND  the ledger names no such model file; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_release_text(struct mien_statedir *state,
                                              const struct mien_release_set *set,
                                              struct mien_buf *out, struct mien_err *err);

/* Adds the text for a set from a model file that stands alone: "ledger" is null, no signature. */
MIEN_CHECK enum mien_status mien_release_text_alone(const struct mien_release_set *set,
                                                    struct mien_buf *out);

/* Whether the signature in a release's text holds under the key that it names.
 *
 *   errors  MIEN_EPARSE  no release of ours; MIEN_ENOTFOUND  it is not signed
 *           MIEN_EAUTH   it was changed
 */
MIEN_CHECK enum mien_status mien_release_check(const char *text, struct mien_err *err);

#endif
