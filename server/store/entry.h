/* Entries of the public ledger: their fields and their bytes.
 *
 * The chain says what was done to whom under which constants, and never how many devices were
 * there: it may be published as it is. Entry i has head_i = SHA-256(head_{i-1} | bytes_i) with
 * head_{-1} all zero, and an Ed25519 signature over "mien ledger v1" | head_i. The bytes are
 * written down in docs/file-formats.md; one entry has one spelling.
 *
 * Threads: any; an entry is a value
 */
#ifndef MIEN_STORE_ENTRY_H
#define MIEN_STORE_ENTRY_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"
#include "common/dp/account.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_ENTRY_MAX_BYTES 512     /* every entry is far below: a longer one is not ours */
#define MIEN_ENTRY_MAX_SHARES 16384  /* no session is larger (common/plan/plan.h) */
#define MIEN_ENTRY_SOFTWARE_BYTES 32 /* of version.h, with the NUL */

enum mien_entry_kind {
    MIEN_ENTRY_GENESIS = 1, /* the first: who signs */
    MIEN_ENTRY_PLAN,        /* the constants of the run */
    MIEN_ENTRY_MODEL,       /* the public start of a run, free of charge */
    MIEN_ENTRY_START,       /* a coordinator took the state over: the epoch rises by one */
    MIEN_ENTRY_ROUND_OPEN,
    MIEN_ENTRY_RESERVE, /* one release is charged, before anything is unmasked */
    MIEN_ENTRY_COMMIT,  /* the charge became a model version */
    MIEN_ENTRY_ABANDON, /* the round ended without a model; a charge stays */
    MIEN_ENTRY_RESTORE, /* an operator accepted a loss; the most it can have cost is charged */
    MIEN_ENTRY_KIND_END
};

/* "genesis", "plan", ...; "?" for a number that is none. Static storage. */
const char *mien_entry_kind_name(enum mien_entry_kind kind);

/* What is added to a sum, by whom, and who is protected against whom. A number that this version
 * cannot account for is refused when an entry is read. */
enum mien_mechanism_kind {
    MIEN_MECHANISM_ROUNDED_GAUSSIAN = 1,
    MIEN_MECHANISM_DISCRETE_GAUSSIAN = 2,
    MIEN_MECHANISM_DISTRIBUTED = 3, /* sums of the devices' discrete Gaussians */
};
enum mien_unit_kind { MIEN_UNIT_TOKEN = 1 }; /* the person an enrolment token was issued for */
enum mien_noise_by { MIEN_NOISE_BY_COORDINATOR = 1, MIEN_NOISE_BY_DEVICES = 2 };

/* The constants of a run that decide its privacy: with the number of releases, all that an
 * accountant needs. They come from the plan (mechanism.h), never from the register of devices or
 * from who showed up. */
struct mien_mechanism {
    enum mien_mechanism_kind kind;
    enum mien_relation relation;
    enum mien_unit_kind unit;
    enum mien_noise_by noise_by;
    enum mien_sampling sampling;
    double rate;         /* q; 1 with MIEN_SAMPLING_NONE */
    uint64_t bound;      /* B: L2 bound of a unit's integer vector */
    uint64_t sigma2_num; /* variance of the noise on the integer sum, in lowest terms; 0: no
                          * privacy; the square of an integer but where devices add it, whose
                          * is the variance of each share, an integer */
    uint64_t sigma2_den;
    uint64_t dim; /* coordinates of the vector */

    /* The plan of a cohort: what the rules of sampling are checked against. */
    uint64_t population; /* units that a round draws from: at least, for fixed samples; at most, for
                          * capped ones; else a note */
    uint32_t cohort;     /* planned units of a round: the denominator */
    uint32_t min_reports; /* fewer survivors: nothing is released */
    uint32_t cap;         /* units of a round at most, the rest left out at random; 0: no cap */
    double drop_out;      /* planned share of devices that leave */

    /* What one unit may take part in, kept by coordinator and device. */
    uint32_t separation;     /* rounds from one part to the next: 1 is every round */
    uint32_t participations; /* releases a unit is part of at most; 0: no limit but the run's */

    /* Correlated noise: the digest of its table (common/dp/strategy_table.h); 0: independent. */
    uint8_t strategy[32];

    /* Of noise by devices, else 0 and not in the bytes: in any sum the noise of so many. */
    uint32_t shares;
};

struct mien_entry_genesis {
    uint8_t run_id[16];
    uint8_t signing_key[32];    /* under which every entry is signed */
    uint8_t ca_fingerprint[32]; /* SHA-256 of the CA certificate */
};

/* The constants of a run. One ledger holds all runs of its population, one after the other: the
 * first PLAN begins run 1; one with the next number begins another run, with a start model of its
 * own, under constants and a delta of its own. */
struct mien_entry_plan {
    uint32_t run;
    uint8_t plan_hash[32];
    struct mien_mechanism mechanism;
    uint32_t rounds; /* planned releases */
    double delta;
    double epsilon_cap; /* of the reader, over all runs; infinity for none */
};

/* MODEL and COMMIT. */
struct mien_entry_model {
    uint64_t round;          /* 0 in MODEL */
    uint32_t attempt;        /* 0 in MODEL */
    uint64_t version;        /* 0 in the first MODEL, then rising by one */
    uint8_t model_hash[32];  /* H(model): SHA-256 of its float32 little-endian values */
    uint8_t file_digest[32]; /* SHA-256 of models/<it>.safetensors */
};

struct mien_entry_round_open {
    uint64_t round;
    uint32_t attempt;
    uint64_t model_version; /* that devices start from */
    uint8_t model_hash[32];
    uint8_t plan_hash[32];
};

struct mien_entry_reserve {
    uint64_t round;
    uint32_t attempt;
    struct mien_mechanism
        mechanism;              /* as charged: sampling may be none where the plan has poisson */
    uint8_t private_digest[32]; /* SHA-256 of 32 random bytes and the round's private list */
};

struct mien_entry_abandon {
    uint64_t round;
    uint32_t attempt;
    bool charged; /* a RESERVE of this attempt precedes */
};

struct mien_entry_restore {
    uint64_t lost_epoch; /* the place that the anchor had */
    uint64_t lost_seq;
    uint8_t lost_head[32];
    uint64_t n_charged;              /* releases charged for the gap */
    struct mien_mechanism mechanism; /* each as this, unsampled */
    uint64_t version;                /* the model that rounds go on from: the latest whose file */
    uint8_t model_hash[32];          /* is whole */
    uint8_t file_digest[32];
};

struct mien_entry {
    enum mien_entry_kind kind;
    uint64_t epoch;
    uint64_t seq;
    char software[MIEN_ENTRY_SOFTWARE_BYTES]; /* version that wrote it */
    union {
        struct mien_entry_genesis genesis;
        struct mien_entry_plan plan;
        struct mien_entry_model model; /* MODEL and COMMIT */
        struct mien_entry_round_open round_open;
        struct mien_entry_reserve reserve;
        struct mien_entry_abandon abandon;
        struct mien_entry_restore restore;
    };
};

/* Adds the entry's bytes.  errors  MIEN_EINVAL  a field out of range; MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_entry_encode(const struct mien_entry *entry, struct mien_buf *out);

/* Whether two are the same in every field. */
bool mien_mechanism_same(const struct mien_mechanism *a, const struct mien_mechanism *b);

/* The entry in exactly these bytes, every field in range.
 * errors  MIEN_EPARSE  (err says what) */
MIEN_CHECK enum mien_status mien_entry_decode(struct mien_span bytes, struct mien_entry *out,
                                              struct mien_err *err);

/* z = sigma / B of one release, rounded down. */
double mien_mechanism_noise(const struct mien_mechanism *mechanism);

/* The accountant's event of the first `count` releases of a run under a mechanism: what they cost
 * together. Without sampling a unit counts as often as its limits let it take part, and correlated
 * noise makes one event of all releases. */
struct mien_dp_event mien_mechanism_event(const struct mien_mechanism *mechanism, uint64_t count);

/* Whether the noise is correlated over the run's rounds. */
bool mien_mechanism_correlated(const struct mien_mechanism *mechanism);

#endif
