/* A release's card: which model pictures are from, and what it cost whom, signed by the ledger.
 *
 * The card is JSON text in one spelling; docs/file-formats.md gives every member. release.json
 * begins with it, every generated picture holds it. It names a key that was drawn for the set, with
 * which the set's maker signs the pictures and release.json, so that the ledger's key is used once
 * a set. A model file that stands alone has no ledger behind it: its card claims no epsilon.
 *
 * Threads: any
 */
#ifndef MIEN_STORE_CARD_H
#define MIEN_STORE_CARD_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/chain.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_CARD_BYTES 32768 /* with the most events, twice over */

/* Equal charges of one run. */
struct mien_card_event {
    uint32_t run;
    double delta; /* of the run */
    uint64_t releases;
    double apart; /* a release at most (common/dp/account.h) */
    struct mien_mechanism mechanism;
};

struct mien_card {
    char software[MIEN_ENTRY_SOFTWARE_BYTES];
    uint8_t release_id[16];
    uint8_t set_key[32];     /* under which pictures and release.json are signed */
    uint8_t file_digest[32]; /* of the model's file */

    /* The rest with a ledger only. */
    bool has_ledger;
    uint64_t version;
    uint8_t model_hash[32];
    double epsilon; /* of everything up to the mark, for a reader; infinite without a bound */
    double epsilon_witness;
    double delta;
    uint32_t rounds;            /* planned */
    struct mien_mechanism plan; /* of the present run */
    size_t n_events;
    struct mien_card_event events[2 * MIEN_CHAIN_MAX_RUNS];
    uint8_t run_id[16];
    struct mien_store_mark mark;
    uint8_t signing_key[32];
};

/* The card of a model under a chain, costs included; release_id, set_key and software are left to
 * the caller.  errors  MIEN_EINVAL, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_card_of_chain(const struct mien_chain *chain,
                                               const struct mien_store_model *model,
                                               struct mien_card *out, struct mien_err *err);

/* The cost of the card's own events: what its epsilons must not be below. */
MIEN_CHECK enum mien_status mien_card_cost(const struct mien_card *card, struct mien_dp_cost *cost,
                                           double *delta, struct mien_err *err);

/* Adds the card's members, up to its signature.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_card_write(const struct mien_card *card, struct mien_buf *out);

/* Adds the whole card: with a signature of `seed`, or without one where there is no ledger (`seed`
 * is NULL then).  errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_card_seal(const struct mien_card *card, const uint8_t *seed,
                                           struct mien_buf *out);

/* Bytes of the card at the beginning of a text, without its closing "\n}\n"; 0 when there is none.
 */
size_t mien_card_prefix(const char *text);

/* The card in exactly this text, its signature checked under the key that it names.
 *
 *   errors  MIEN_EPARSE  no card of this version of mien, or in another spelling
 *           MIEN_EAUTH   the signature does not hold
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_card_read(const char *text, struct mien_card *out,
                                           struct mien_err *err);

/* A signature over a label and bytes, as a card's last member and release.json's.
 * errors  MIEN_EAUTH  it does not hold; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_card_sign(const uint8_t seed[32], const char *label,
                                           struct mien_span bytes, char hex[129]);
MIEN_CHECK enum mien_status mien_card_check(const uint8_t key[32], const char *label,
                                            struct mien_span bytes, const char *hex);

#endif
