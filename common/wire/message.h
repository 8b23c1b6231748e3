/* Every message between a device and the coordinator, as our own structs.
 *
 * One tagged union per message, the bytes of one frame on the wire. Decoding checks each length
 * and range once, while copying; from then on the struct can be trusted to be well formed. What a
 * message means in a round (right session, right state, signature holds) is the cores' to judge.
 * What is accepted has one spelling: encoding it again gives the same bytes.
 *
 * Bulk (CHUNK, INPUT_CHUNK) has a fixed binary header and borrows its bytes; every other body is
 * protobuf (proto/mien.proto). Lists that can pass one frame travel in numbered parts: each part
 * is a message of its own, indices rise strictly inside a part.
 *
 * Source:  docs/protocol.md
 * Threads: a message belongs to one thread at a time
 */
#ifndef MIEN_WIRE_MESSAGE_H
#define MIEN_WIRE_MESSAGE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"
#include "common/base/status.h"
#include "common/wire/frame.h"

#include <stddef.h>
#include <stdint.h>

/* The protocol that HELLO names; a coordinator refuses another. */
#define MIEN_MESSAGE_PROTOCOL 1

/* Limits, and why. */
#define MIEN_MESSAGE_SOFTWARE_BYTES 64     /* "mien-device 0.1.0 (Debian 12, arm64)" */
#define MIEN_MESSAGE_SENTENCE_BYTES 200    /* one line of a log */
#define MIEN_MESSAGE_PLAN_BYTES 16384      /* a plan is a page of numbers, fetched in one chunk */
#define MIEN_MESSAGE_MODEL_BYTES (1 << 26) /* 2^24 float32 values (plan/plan.h) */
#define MIEN_MESSAGE_CERT_BYTES 1024       /* an Ed25519 certificate of ours has about 400 */
#define MIEN_MESSAGE_CSR_BYTES 1024        /* ours has about 200 */
#define MIEN_MESSAGE_CREDENTIAL_BYTES 256  /* 153 now (secagg/credential.h) */
#define MIEN_MESSAGE_SEALED_BYTES 128      /* two shares and a tag: 64 now (secagg/session.h) */
#define MIEN_MESSAGE_SHARE_BYTES 64        /* one share of a seed: 24 now (secagg/share.h) */
#define MIEN_MESSAGE_GROUP_MAX 16384       /* members of a session; indices are below it */
#define MIEN_MESSAGE_BITMAP_BYTES (MIEN_MESSAGE_GROUP_MAX / 8)
#define MIEN_MESSAGE_DIM_MAX ((1 << 25) + 64) /* residues (secagg/params.h) */
#define MIEN_MESSAGE_INPUT_BYTES (4 * MIEN_MESSAGE_DIM_MAX)

/* Entries in one part: the longest part stays under MIEN_FRAME_CONTROL_BYTES. */
#define MIEN_MESSAGE_ROSTER_PER_PART 32
#define MIEN_MESSAGE_SEALED_PER_PART 64
#define MIEN_MESSAGE_REVEAL_PER_PART 128
#define MIEN_MESSAGE_CONFIRMED_PER_PART 128
#define MIEN_MESSAGE_PARTS_MAX                                                                     \
    16 /* 511 neighbours and holders (secagg/design.h) / ROSTER_PER_PART */

/* The roll's entries are bytes: of all members, so it has more parts. */
#define MIEN_MESSAGE_ROLL_ENTRY_BYTES 32
#define MIEN_MESSAGE_ROLL_PER_PART 480
#define MIEN_MESSAGE_ROLL_PARTS_MAX 35 /* GROUP_MAX / ROLL_PER_PART */

/* A place in the coordinator's ledger chain; all zero for "none seen yet". */
struct mien_message_mark {
    uint64_t epoch;
    uint64_t seq;
    uint8_t head[32];
};

struct mien_message_hello {
    uint32_t protocol;
    char software[MIEN_MESSAGE_SOFTWARE_BYTES + 1]; /* printable UTF-8 */
    uint64_t max_memory_bytes;
    struct mien_message_mark seen; /* the highest this device has seen */
};

struct mien_message_welcome {
    uint8_t run_id[16];
    struct mien_message_mark mark;
    uint32_t renew_after_s;  /* from now until RENEW is due; 0: now */
    uint8_t signing_key[32]; /* Ed25519, under which ASSIGN is signed */
};

struct mien_message_check_in {
    uint64_t last_round; /* the last this device was assigned to; 0 for none */
};

enum mien_message_reason {
    MIEN_MESSAGE_NOT_DRAWN = 1, /* the coin said no */
    MIEN_MESSAGE_WAITING,       /* no round is open: too few devices yet */
    MIEN_MESSAGE_FULL,          /* the round has as many as it takes */
    MIEN_MESSAGE_ROUND_CLOSED,  /* the round ended without this device */
    MIEN_MESSAGE_DRAINING,      /* the coordinator is stopping */
    MIEN_MESSAGE_DROPPED,       /* left out of its session: too few, or failed */
    MIEN_MESSAGE_LIMIT,         /* a limit of the run: budget spent, count of this unit reached */
    MIEN_MESSAGE_REASON_END
};

struct mien_message_come_back {
    uint32_t after_ms; /* at most a day */
    enum mien_message_reason reason;
};
#define MIEN_MESSAGE_AFTER_MS_MAX (24u * 3600u * 1000u)

enum mien_message_purpose {
    MIEN_MESSAGE_PURPOSE_TRAIN = 1, /* the vector of a round */
    MIEN_MESSAGE_PURPOSE_DRILL = 2  /* zeros */
};

struct mien_message_assign {
    uint64_t round; /* from 1 */
    uint32_t attempt;
    uint8_t plan_hash[32];
    uint32_t plan_bytes;
    uint8_t model_hash[32];
    uint64_t model_bytes;
    uint64_t model_version;
    uint32_t report_by_ms; /* from now; READY later than this is not counted */
    struct mien_message_mark mark;
    double clip;           /* S of this round: the plan's, unless that adapts */
    uint8_t signature[64]; /* over mien_message_assign_statement */
    enum mien_message_purpose purpose;
};

enum mien_message_what { MIEN_MESSAGE_PLAN = 1, MIEN_MESSAGE_MODEL = 2 };

struct mien_message_get {
    enum mien_message_what what;
    uint8_t hash[32]; /* as ASSIGN named it */
    uint64_t offset;  /* where a transfer that was cut goes on */
};

/* `data` is borrowed: from the sender while encoding, from the frame after decoding. */
struct mien_message_chunk {
    enum mien_message_what what;
    uint64_t offset;
    uint64_t total; /* offset + data.len <= total */
    struct mien_span data;
};

struct mien_message_ready {
    uint64_t round;
};

struct mien_message_session {
    uint64_t round;
    uint32_t attempt;
    uint32_t session_index; /* of this round, from 0 */
    enum mien_message_purpose purpose;
    uint32_t n;     /* members, 2 .. GROUP_MAX */
    uint32_t k;     /* neighbours of a member, 1 .. n - 1 */
    uint32_t t;     /* shares that rebuild a secret, 2 .. n */
    uint32_t index; /* this device's, below n */
    uint32_t dim;   /* residues in a vector */
    uint32_t bits;  /* of the modulus, 12 .. 32 */
    uint8_t nonce[32];
    uint8_t members_digest[32];
    uint8_t commitment[32]; /* to what ROLL opens */
    uint8_t session_id[32];
};

struct mien_message_keys {
    uint8_t session_id[32];
    uint8_t mask_pk[32];
    uint8_t channel_pk[32];
    uint8_t signature[64];
};

/* All members, in parts. */
struct mien_message_roll {
    uint8_t session_id[32];
    uint32_t part;
    uint32_t n_parts; /* at most ROLL_PARTS_MAX */
    uint8_t opening[32];
    size_t n_entries; /* 1 .. ROLL_PER_PART */
    uint8_t *entries; /* of ROLL_ENTRY_BYTES each */
};

struct mien_message_roster_entry {
    uint32_t index;
    size_t credential_len;
    uint8_t credential[MIEN_MESSAGE_CREDENTIAL_BYTES];
    uint8_t mask_pk[32];
    uint8_t channel_pk[32];
    uint8_t signature[64];
};

struct mien_message_roster {
    uint8_t session_id[32];
    uint32_t part; /* below n_parts */
    uint32_t n_parts;
    size_t n_entries; /* at most ROSTER_PER_PART */
    struct mien_message_roster_entry *entries;
};

/* One ciphertext: in SHARES `index` is whom it is for, in DELIVER whom it is from. */
struct mien_message_sealed {
    uint32_t index;
    size_t len;
    uint8_t bytes[MIEN_MESSAGE_SEALED_BYTES];
};

/* SHARES and DELIVER. */
struct mien_message_shares {
    uint8_t session_id[32];
    uint32_t part;
    uint32_t n_parts;
    size_t n_entries; /* at most SEALED_PER_PART */
    struct mien_message_sealed *entries;
};

/* SLOT and INPUT_OK. */
struct mien_message_of_session {
    uint8_t session_id[32];
};

/* `data` is borrowed, as in CHUNK. */
struct mien_message_input_chunk {
    uint8_t session_id[32];
    uint64_t offset;
    uint64_t total;
    struct mien_span data;
};

struct mien_message_survivors {
    uint8_t session_id[32];
    uint32_t n;                                /* members of the session */
    uint8_t bitmap[MIEN_MESSAGE_BITMAP_BYTES]; /* member i: bit i % 8 of byte i / 8; rest zero */
    uint8_t root[32];
};

/* A survivor's own signature, */
struct mien_message_confirm {
    uint8_t session_id[32];
    uint8_t signature[64]; /* of the survivors */
};

/* and those of its neighbours. */
struct mien_message_confirmed_entry {
    uint32_t index;
    uint8_t signature[64];
};

struct mien_message_confirmed {
    uint8_t session_id[32];
    uint32_t part;
    uint32_t n_parts;
    size_t n_entries; /* at most CONFIRMED_PER_PART */
    struct mien_message_confirmed_entry *entries;
};

enum mien_message_kind {
    MIEN_MESSAGE_SELF_MASK = 1, /* a share of a survivor's self-mask seed */
    MIEN_MESSAGE_KEY = 2        /* a share of a drop-out's mask key seed */
};

struct mien_message_reveal_entry {
    uint32_t index; /* whose secret it is a share of */
    enum mien_message_kind kind;
    size_t len;
    uint8_t share[MIEN_MESSAGE_SHARE_BYTES]; /* secret */
};

struct mien_message_reveal {
    uint8_t session_id[32];
    uint32_t part;
    uint32_t n_parts;
    size_t n_entries; /* at most REVEAL_PER_PART */
    struct mien_message_reveal_entry *entries;
};

enum mien_message_outcome { MIEN_MESSAGE_RELEASED = 1, MIEN_MESSAGE_ABANDONED = 2 };

struct mien_message_closed {
    uint64_t round;
    enum mien_message_outcome outcome;
    uint64_t model_version;
    struct mien_message_mark mark;
};

enum mien_message_error_code {
    MIEN_MESSAGE_ERROR_PROTOCOL = 1, /* malformed, or out of order */
    MIEN_MESSAGE_ERROR_VERSION,      /* another protocol version */
    MIEN_MESSAGE_ERROR_AUTH,         /* wrong token, signature or identity; revoked */
    MIEN_MESSAGE_ERROR_EXPIRED,      /* the token or certificate is no longer valid */
    MIEN_MESSAGE_ERROR_POLICY,       /* refused by a guard or rule of this side */
    MIEN_MESSAGE_ERROR_LIMIT,        /* over a limit: memory, size, rate */
    MIEN_MESSAGE_ERROR_TIMEOUT,      /* the other side took too long */
    MIEN_MESSAGE_ERROR_INTERNAL,     /* this side could not: memory, disk */
    MIEN_MESSAGE_ERROR_END
};

struct mien_message_error {
    enum mien_message_error_code code;
    char sentence[MIEN_MESSAGE_SENTENCE_BYTES + 1]; /* printable UTF-8 */
};

struct mien_message_renew {
    size_t csr_len;
    uint8_t csr[MIEN_MESSAGE_CSR_BYTES]; /* DER, for a fresh key */
};

struct mien_message_renewed {
    size_t cert_len;
    uint8_t cert[MIEN_MESSAGE_CERT_BYTES]; /* DER */
    size_t credential_len;
    uint8_t credential[MIEN_MESSAGE_CREDENTIAL_BYTES];
};

struct mien_message_enrol {
    uint8_t token_secret[16]; /* secret */
    size_t csr_len;
    uint8_t csr[MIEN_MESSAGE_CSR_BYTES];
};

struct mien_message_enrolled {
    size_t cert_len;
    uint8_t cert[MIEN_MESSAGE_CERT_BYTES];
    size_t ca_cert_len;
    uint8_t ca_cert[MIEN_MESSAGE_CERT_BYTES]; /* its SHA-256 is the token's fingerprint */
    size_t credential_len;
    uint8_t credential[MIEN_MESSAGE_CREDENTIAL_BYTES];
    uint8_t run_id[16];
    uint8_t signing_key[32];
    uint16_t port; /* of the device listener, on the host that the token names */
};

/* A message. List parts (`entries`) are given by decode and freed by mien_message_fini; a sender
 * may point them at its own array and then does not call fini. */
struct mien_message {
    enum mien_frame_type type;
    union {
        struct mien_message_hello hello;
        struct mien_message_welcome welcome;
        struct mien_message_check_in check_in;
        struct mien_message_come_back come_back;
        struct mien_message_assign assign;
        struct mien_message_get get;
        struct mien_message_chunk chunk;
        struct mien_message_ready ready;
        struct mien_message_session session;
        struct mien_message_keys keys;
        struct mien_message_roll roll;
        struct mien_message_roster roster;
        struct mien_message_shares shares;
        struct mien_message_shares deliver;
        struct mien_message_of_session slot;
        struct mien_message_input_chunk input_chunk;
        struct mien_message_of_session input_ok;
        struct mien_message_survivors survivors;
        struct mien_message_confirm confirm;
        struct mien_message_confirmed confirmed;
        struct mien_message_reveal reveal;
        struct mien_message_closed closed;
        struct mien_message_error error;
        struct mien_message_renew renew;
        struct mien_message_renewed renewed;
        struct mien_message_enrol enrol;
        struct mien_message_enrolled enrolled;
    };
};

/* Frees list parts and wipes the message; NULL, zeroed storage and a message without lists are
 * fine. Does not touch borrowed `data`. */
void mien_message_fini(struct mien_message *message);

/* Adds the whole frame of a message (length, type, body) to `out`.
 *
 *   errors  MIEN_EINVAL  a field is out of its range; decoding would refuse it. `out` is as it was
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_message_encode(const struct mien_message *message,
                                                struct mien_buf *out);

/* The message in a frame. Needs memory for a list part only, at most 4 times the frame.
 *
 *   frame   borrowed; CHUNK and INPUT_CHUNK go on borrowing its body
 *   out     given: end it with mien_message_fini
 *   err     names message and field
 *   errors  MIEN_EPARSE  malformed, or not the one spelling
 *           MIEN_ELIMIT  a length or number is over its limit
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_message_decode(struct mien_frame frame, struct mien_message *out,
                                                struct mien_err *err);

/* Bytes of the statement that ASSIGN's signature covers. */
#define MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES                                                        \
    (14 + 16 + 8 + 4 + 32 + 4 + 32 + 8 + 8 + 4 + 8 + 8 + 32 + 8 + 4)

/* The bytes that ASSIGN's signature covers: the label "mien assign v1", the run id, then every
 * field but the signature in the order of the struct, integers big-endian. */
void mien_message_assign_statement(const uint8_t run_id[16],
                                   const struct mien_message_assign *assign,
                                   uint8_t out[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES]);

/* An ERROR message with a sentence, cut at SENTENCE_BYTES; bytes that are not printable UTF-8
 * make it the code's own sentence. */
struct mien_message mien_message_make_error(enum mien_message_error_code code,
                                            const char *sentence);

/* The code's own sentence ("the message is malformed or out of order"). Static storage. */
const char *mien_message_error_text(enum mien_message_error_code code);

/* How many parts a list of n entries takes, at least 1. */
static inline uint32_t mien_message_n_parts(size_t n, size_t per_part)
{
    return n == 0 ? 1 : (uint32_t)((n + per_part - 1) / per_part);
}

#endif
