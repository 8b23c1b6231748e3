/* What the files of the coordinator's session share: coordinator.c has keys and shares,
 * coordinator_sum.c vectors, signatures and revealed shares, coordinator_unmask.c the unmasking.
 *
 * Threads: as coordinator.h
 */
#ifndef MIEN_SECAGG_COORDINATOR_INTERNAL_H
#define MIEN_SECAGG_COORDINATOR_INTERNAL_H

#include "common/secagg/coordinator.h"
#include "common/secagg/graph.h"

enum mien_sum_state {
    MIEN_SUM_KEYS,
    MIEN_SUM_SHARES,
    MIEN_SUM_INPUTS,
    MIEN_SUM_CONFIRMS,
    MIEN_SUM_REVEALS,
    MIEN_SUM_OVER
};

struct mien_sum_member {
    bool has_keys;
    bool goes_on; /* after close_shares */
    bool has_input;
    bool confirmed;
    uint8_t credential[MIEN_CREDENTIAL_BYTES];
    struct mien_session_keys keys;
    uint8_t signature[MIEN_SIGNATURE_BYTES]; /* of the survivors */
    uint32_t n_sent;                         /* ciphertexts */
    uint32_t n_shares;                       /* shares of its secret that have come */
    uint8_t *sealed; /* [n_holders] x MIEN_SEALED_SHARES_BYTES by slot, until inputs close */
    bool *has;       /* [n_holders] ciphertext, later share, of that slot */
    struct mien_share *shares; /* [n_holders] of its secret by slot; secret */
};

struct mien_secagg_sum {
    struct mien_session session;
    uint8_t session_id[MIEN_SESSION_ID_BYTES];
    enum mien_sum_state state;
    struct mien_graph graph;
    uint8_t *roll;    /* [n] entries */
    uint32_t *key_at; /* [n_key_places] twice the member whose key it is, and 1 or 2; 0: nobody */
    uint32_t n_key_places;
    uint32_t *residue; /* [dim] the accumulator */
    uint8_t survivors[MIEN_BITMAP_BYTES];
    struct mien_sum_member *member; /* [n] */
};

/* A member's place and id. */
struct mien_session_member mien_sum_member_of(const struct mien_secagg_sum *sum, uint32_t index);

/* Wipes and frees a member's revealed shares. */
void mien_sum_forget_shares(struct mien_secagg_sum *sum);

#endif
