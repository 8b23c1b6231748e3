/* release.json: what a generated set is and what it costs, signed.
 *
 * It begins with the set's card (card.h), signed by the ledger, and goes on with what the set
 * holds, signed with the key that the card names. docs/file-formats.md gives every member. Beside
 * it stand metadata.jsonl, the pictures, and ledger.chain (public_chain.h).
 *
 * Threads: as store.h
 */
#ifndef MIEN_STORE_RELEASE_H
#define MIEN_STORE_RELEASE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/card.h"

#include <stdint.h>

/* What is asked of the ledger before the first picture is drawn. */
struct mien_release_request {
    uint8_t about[32];       /* SHA-256 of everything that decides the pictures */
    uint8_t file_digest[32]; /* SHA-256 of the model file that they will be from */
};

/* What a set is made with. The same request at the same place of the ledger gives the same key and
 * the same release id, so that the same command makes the same files. */
struct mien_release {
    struct mien_buf card;  /* the whole text, and its NUL */
    struct mien_buf chain; /* the public chain up to the card's mark; empty without a ledger */
    uint8_t set_seed[32];  /* secret, unless there is no ledger: of the card's set_key */
};

/* Wipes and frees; zeroed storage is fine. */
void mien_release_fini(struct mien_release *release);

/* A set from a model of this store.
 *
 *   signing_seed  [32] secret; the ledger's
 *   out           given: end it with mien_release_fini
 *   errors        MIEN_ENOTFOUND  the ledger names no such model file; MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_release_begin(struct mien_store *store,
                                               const uint8_t signing_seed[32],
                                               const struct mien_release_request *request,
                                               struct mien_release *out, struct mien_err *err);

/* A set from a model file that stands alone: no ledger, no epsilon, and a key that is no secret,
 * which shows accidents only. */
MIEN_CHECK enum mien_status mien_release_begin_alone(const struct mien_release_request *request,
                                                     struct mien_release *out);

/* What the maker of a set knows when it is whole. */
struct mien_release_set {
    uint64_t n_images;
    uint64_t seed;
    uint8_t metadata_digest[32]; /* SHA-256 of metadata.jsonl, which names each picture's digest */
};

/* Adds the text of release.json.  errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_release_write(const struct mien_release *release,
                                               const struct mien_release_set *set,
                                               struct mien_buf *out);

/* Reads the text of release.json: card and both signatures.
 *
 *   card_text  out: the card as it stands in the pictures; given: mien_buf_fini
 *   errors     MIEN_EPARSE  no release of this version; MIEN_EAUTH  it was changed (err: which
 * part)
 */
MIEN_CHECK enum mien_status mien_release_read(const char *text, struct mien_card *card,
                                              struct mien_buf *card_text,
                                              struct mien_release_set *set, struct mien_err *err);

#endif
