// SPDX-License-Identifier: Apache-2.0
/* What one session of the secure sum costs in CPU time: a device, the coordinator.
 *
 * Usage: bench_secagg [MEMBERS [DIM [K T]]]   128 members, 10^6 values of 20 bits, and the design
 * for a twentieth that colludes and a tenth that leaves, unless said. One in
 * ten leaves after the shares. Every device is real, so a run takes some seconds; the vectors are
 * zeros, for no work depends on a value.
 */
#include "common/base/bytes.h"
#include "common/base/rng.h"
#include "common/secagg/coordinator.h"
#include "common/secagg/device.h"
#include "common/secagg/pack.h"
#include "server/shell/crew.h"
#include "tests/bench/bench.h"

#include <string.h>

#define BITS 20

struct bench {
    struct mien_rng rng;
    struct mien_session session;
    uint8_t ca_seed[32];
    uint8_t ca_key[32];
    uint8_t (*identity_seed)[32];
    uint8_t (*credential)[MIEN_CREDENTIAL_BYTES];
    uint8_t *tags;
    uint8_t opening[32];
    struct mien_secagg_device **device;
    struct mien_secagg_sum *sum;
    uint32_t *vector;
    uint8_t *packed;
};

struct unit {
    uint8_t tag[MIEN_ROLL_TAG_BYTES];
    uint8_t digest[32];
};

static int compare_units(const void *a, const void *b)
{
    return memcmp(((const struct unit *)a)->tag, ((const struct unit *)b)->tag,
                  MIEN_ROLL_TAG_BYTES);
}

static void make_members(struct bench *b)
{
    const uint32_t n = b->session.n;
    struct unit *units = block(n, sizeof(*units));
    uint8_t *roll = block(n, MIEN_ROLL_ENTRY_BYTES);

    b->identity_seed = block(n, 32);
    b->tags = block(n, MIEN_ROLL_TAG_BYTES);
    b->credential = block(n, MIEN_CREDENTIAL_BYTES);
    b->device = block(n, sizeof(struct mien_secagg_device *));
    need(mien_rng_fill(&b->rng, b->ca_seed, 32), "random");
    need(mien_ed25519_public(b->ca_seed, b->ca_key), "CA");
    need(mien_session_commit(b->opening, b->session.commitment), "commitment");
    for (uint32_t i = 0; i < n; i++) {
        mien_store_be32(units[i].digest, i);
        need(mien_session_tag(b->session.nonce, units[i].digest, units[i].tag), "tag");
    }
    qsort(units, n, sizeof(*units), compare_units);
    for (uint32_t i = 0; i < n; i++) {
        struct mien_credential who = {.not_after = 1000};

        need(mien_rng_fill(&b->rng, b->identity_seed[i], 32), "random");
        need(mien_ed25519_public(b->identity_seed[i], who.key), "identity");
        mien_store_be32(who.device_id, i);
        memcpy(who.unit_digest, units[i].digest, 32);
        memcpy(b->tags + (size_t)i * MIEN_ROLL_TAG_BYTES, units[i].tag, MIEN_ROLL_TAG_BYTES);
        memcpy(roll + (size_t)i * MIEN_ROLL_ENTRY_BYTES, units[i].tag, MIEN_ROLL_TAG_BYTES);
        need(mien_credential_issue(&who, b->ca_seed, b->credential[i]), "credential");
    }
    need(mien_session_members(roll, n, b->session.members_digest), "digest");
    mien_free(roll);
    mien_free(units);
}

static void make_device(struct bench *b, uint32_t i)
{
    struct mien_secagg_device_config config = {
        .session = b->session, .index = i, .now = 500, .min_members = 2};

    memcpy(config.device_key, b->identity_seed[i], 32);
    memcpy(config.ca_key, b->ca_key, 32);
    memcpy(config.credential, b->credential[i], MIEN_CREDENTIAL_BYTES);
    need(mien_secagg_device_new(&config, &b->rng, &b->device[i], NULL), "device");
}

static void share_from(struct bench *b, uint32_t from)
{
    struct mien_secagg_device *d = b->device[from];
    const size_t len = (size_t)b->session.n * MIEN_ROLL_ENTRY_BYTES;
    uint8_t sealed[MIEN_SEALED_SHARES_BYTES];
    bool has = false;

    need(mien_secagg_device_roll(d, (struct mien_span){mien_secagg_sum_roll(b->sum), len}, NULL),
         "roll");
    need(mien_secagg_device_roll_end(d, b->opening, NULL), "roll");
    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++) {
        const uint32_t i = mien_secagg_device_peer(d, place);

        need(mien_secagg_device_roster(d, i,
                                       (struct mien_span){b->credential[i], MIEN_CREDENTIAL_BYTES},
                                       mien_secagg_sum_roster(b->sum, i), NULL),
             "roster");
    }
    need(mien_secagg_device_roster_end(d, &b->rng, NULL), "roster");
    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++) {
        need(mien_secagg_device_shares(d, place, sealed, &has), "shares");
        if (has)
            need(mien_secagg_sum_shares(b->sum, from, mien_secagg_device_peer(d, place),
                                        (struct mien_span){sealed, sizeof(sealed)}),
                 "shares");
    }
}

static void deliver_to(struct bench *b, uint32_t to)
{
    for (uint32_t from = 0; from < b->session.n; from++) {
        const uint8_t *sealed = mien_secagg_sum_delivery(b->sum, from, to);

        if (sealed != NULL)
            need(mien_secagg_device_deliver(b->device[to], from,
                                            (struct mien_span){sealed, MIEN_SEALED_SHARES_BYTES},
                                            NULL),
                 "deliver");
    }
    need(mien_secagg_device_deliver_end(b->device[to], NULL), "deliver");
}

static void input_from(struct bench *b, uint32_t i)
{
    const size_t len = (size_t)mien_secagg_packed_bytes(b->session.dim, BITS);

    memset(b->vector, 0, b->session.dim * sizeof(*b->vector));
    need(mien_secagg_device_mask(b->device[i], b->vector), "mask");
    mien_pack(b->vector, b->session.dim, BITS, b->packed);
    need(mien_secagg_sum_input(b->sum, i, (struct mien_span){b->packed, len}), "input");
}

static void confirm_from(struct bench *b, uint32_t from, const uint8_t *bitmap, const uint8_t *root)
{
    uint8_t signature[MIEN_SIGNATURE_BYTES];

    need(mien_secagg_device_survivors(b->device[from], bitmap, root, b->identity_seed[from],
                                      signature, NULL),
         "survivors");
    need(mien_secagg_sum_confirm(b->sum, from, signature), "confirm");
}

static void reveal_from(struct bench *b, uint32_t from)
{
    struct mien_secagg_device *d = b->device[from];
    uint8_t share[MIEN_SHARE_BYTES];
    bool survived = false;
    bool has = false;

    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++) {
        const uint32_t of = mien_secagg_device_peer(d, place);
        const uint8_t *signature = mien_secagg_sum_confirmation(b->sum, of);

        if (signature != NULL && of != from)
            need(mien_secagg_device_confirm(d, of, signature, NULL), "confirmed");
    }
    need(mien_secagg_device_confirm_end(d, NULL), "confirmed");
    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++) {
        need(mien_secagg_device_reveal(d, place, &survived, share, &has), "reveal");
        if (has)
            need(mien_secagg_sum_reveal(b->sum, from, mien_secagg_device_peer(d, place), survived,
                                        (struct mien_span){share, sizeof(share)}),
                 "reveal");
    }
}

/* Messages up to the masked vectors; prints what the first device took. */
static void run_devices(struct bench *b, uint32_t n_stay)
{
    const uint32_t n = b->session.n;
    double first = 0.0;

    for (uint32_t i = 0; i < n; i++) {
        struct mien_session_keys keys;

        make_device(b, i);
        mien_secagg_device_keys(b->device[i], &keys);
        need(mien_secagg_sum_keys(b->sum, i, b->credential[i], &keys, NULL), "keys");
    }
    need(mien_secagg_sum_close_keys(b->sum, b->opening), "keys");
    double start = cpu_ms();
    for (uint32_t i = 0; i < n; i++) {
        share_from(b, i);
        first += i == 0 ? cpu_ms() - start : 0.0;
    }
    need(mien_secagg_sum_close_shares(b->sum), "shares");
    start = cpu_ms();
    deliver_to(b, 0);
    printf("device: roster, shares  %8.1f ms\n", first + cpu_ms() - start);
    for (uint32_t i = 1; i < n; i++)
        deliver_to(b, i);
    start = cpu_ms();
    input_from(b, 0);
    printf("device: mask, pack (+1 unpack) %.1f ms\n", cpu_ms() - start);
    for (uint32_t i = 1; i < n_stay; i++)
        input_from(b, i);
}

static void bench_session(struct bench *b)
{
    const uint32_t n = b->session.n;
    const uint32_t n_stay = n - n / 10;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];
    uint32_t blamed = 0;
    struct mien_crew_threads threads = mien_crew_threads_all();
    const struct mien_crew crew = mien_crew_of_threads(&threads);
    int64_t *total = block(b->session.dim, sizeof(*total));

    make_members(b);
    need(mien_secagg_sum_new(&b->session, b->tags, &b->sum), "session");
    run_devices(b, n_stay);
    need(mien_secagg_sum_close_inputs(b->sum, bitmap, root), "inputs");
    double start = cpu_ms();
    for (uint32_t i = 0; i < n_stay; i++)
        confirm_from(b, i, bitmap, root);
    need(mien_secagg_sum_close_confirms(b->sum), "confirms");
    printf("confirms, both sides    %8.1f ms\n", cpu_ms() - start);
    start = cpu_ms();
    reveal_from(b, 0);
    printf("device: check, reveal   %8.1f ms\n", cpu_ms() - start);
    for (uint32_t i = 1; i < n_stay; i++)
        reveal_from(b, i);
    start = cpu_ms();
    const double wall = wall_ms();
    need(mien_secagg_sum_unmask(b->sum, &crew, total, &blamed), "unmask");
    printf("coordinator: unmask     %8.1f ms CPU, %.1f ms on %u threads (%u left)\n",
           cpu_ms() - start, wall_ms() - wall, threads.n_threads, n - n_stay);
    for (uint32_t j = 0; j < b->session.dim; j++)
        need(total[j] == 0 ? MIEN_OK : MIEN_ECORRUPT, "the sum of zeros");
    for (uint32_t i = 0; i < n; i++)
        mien_secagg_device_free(b->device[i]);
    mien_secagg_sum_free(b->sum);
    mien_free(total);
}

int main(int argc, char **argv)
{
    const struct mien_design_goal goal = {0.05, 0.10, MIEN_DESIGN_SEMI_MALICIOUS, MIEN_DESIGN_SIGMA,
                                          MIEN_DESIGN_ETA};
    const uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 128;
    const uint32_t dim = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
    struct mien_design d = {0};
    struct bench b = {.rng = mien_rng_system(), .session = {.n = n, .dim = dim, .bits = BITS}};

    if (argc > 4) {
        d.k = (uint32_t)strtoul(argv[3], NULL, 10);
        d.t = (uint32_t)strtoul(argv[4], NULL, 10);
    } else if (n < 10 || mien_design_of(&goal, n, &d, NULL) != MIEN_OK) {
        return 2;
    }
    b.session.k = d.k;
    b.session.t = d.t;
    if (!mien_session_is_sound(&b.session))
        return 2;
    b.vector = block(dim, sizeof(*b.vector));
    b.packed = block((size_t)mien_secagg_packed_bytes(dim, BITS), 1);
    printf("%u members, %u neighbours, threshold %u, %u values of %d bits, CPU time\n", n, d.k, d.t,
           dim, BITS);
    bench_session(&b);
    mien_free(b.vector);
    mien_free(b.packed);
    mien_free(b.tags);
    mien_free(b.identity_seed);
    mien_free(b.credential);
    mien_free(b.device);
    return 0;
}
