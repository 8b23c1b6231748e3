/* What a device remembers about its rounds over restarts.
 *
 * Kept by the host (durable before the message that depends on it is sent):
 *
 *   - the highest (epoch, seq, head) of the coordinator's ledger that it has seen, so that a
 *     ledger that was rolled back or forked is refused;
 *   - the (round, attempt) of the last masked vector that left, so that a device never gives two
 *     vectors to one attempt of a round, even if it was killed in between;
 *   - how often it took part (for limits on participation);
 *   - what it has spent of its own budget for single examples, over its life.
 *
 * Threads: one at a time
 */
#ifndef MIEN_CLIENT_RECORD_H
#define MIEN_CLIENT_RECORD_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Other constants than a device ever has: it is told to keep to those it has. */
#define MIEN_CLIENT_MAX_SPENT 8

/* Steps of descent on single examples under the same constants (local.h). */
struct mien_client_spent {
    double rate;
    double noise;
    uint64_t n_steps; /* above 0 */
};

struct mien_client_record {
    uint64_t epoch; /* highest ledger position seen; all zero before the first */
    uint64_t seq;
    uint8_t head[32];
    uint64_t sent_round; /* of the last vector that left; 0, 0 before the first */
    uint32_t sent_attempt;
    uint64_t n_sent;      /* vectors that have left */
    uint64_t n_released;  /* rounds with such a vector that the coordinator closed as released */
    bool waits_for_close; /* the round of the last vector is not known to be closed */
    uint32_t n_spent;     /* 0 on a device that protects no single examples */
    struct mien_client_spent spent[MIEN_CLIENT_MAX_SPENT];
};

/* Adds the record's bytes (big-endian; docs/file-formats.md).  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_client_record_encode(const struct mien_client_record *record,
                                                      struct mien_buf *out);

/* Reads one from the front of `reader`; a short read shows in reader->failed.
 * errors  MIEN_ECORRUPT  a value that encode never writes */
MIEN_CHECK enum mien_status mien_client_record_decode(struct mien_reader *reader,
                                                      struct mien_client_record *record);

/* Judges a ledger position that the coordinator showed and remembers it when it is further.
 *
 *   changed  out: whether the record differs now and must be saved
 *   errors   MIEN_EAUTH  it lies behind what was seen, or is another head at the same place
 */
MIEN_CHECK enum mien_status mien_client_record_see(struct mien_client_record *record,
                                                   uint64_t epoch, uint64_t seq,
                                                   const uint8_t head[32], bool *changed,
                                                   struct mien_err *err);

/* Whether a vector may leave for this attempt of this round: only forward. */
bool mien_client_record_may_send(const struct mien_client_record *record, uint64_t round,
                                 uint32_t attempt);

#endif
