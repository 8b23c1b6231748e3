// SPDX-License-Identifier: Apache-2.0
/* What one session of the secure sum costs: a device by steps, the coordinator from the last vector
 * to the sum.
 *
 * Usage: bench_secagg [MEMBERS [DIM [K T]]]   128 members, 10^6 values of 20 bits or more, and the
 * design for a twentieth that colludes and a tenth that leaves, unless said
 *
 * Every device is real and sends zeros (no work depends on a value); one in ten leaves after the
 * shares. Device times are medians over the devices that stay; every other one knows the
 * credentials of its neighbours from rounds before, so that both rosters are measured side by side.
 * CPU time; what the coordinator needs on one thread and on all is measured on the same session, by
 * a fork of the process. The keystream's share is what the masks alone take at the best kernel's
 * speed in the same run. Memory is what the coordinator's calls, and those of the first device,
 * asked the allocator for.
 */
#include "common/base/bytes.h"
#include "common/base/rng.h"
#include "common/secagg/pack.h"
#include "server/shell/crew.h"
#include "tests/bench/secagg_bench.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEAST_BITS 20

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

/* Calls of device i follow: the first one's memory is counted. */
static void count_device(uint32_t i)
{
    (void)mien_mem_count_for(i == 0 ? DEVICE : OTHERS);
}

static void make_device(struct bench *b, uint32_t i)
{
    struct mien_secagg_device_config config = {.session = b->session,
                                               .index = i,
                                               .now = 500,
                                               .min_members = 2,
                                               .known = i % 2 == 1 ? b->known : NULL};

    memcpy(config.device_key, b->identity_seed[i], 32);
    memcpy(config.ca_key, b->ca_key, 32);
    memcpy(config.credential, b->credential[i], MIEN_CREDENTIAL_BYTES);
    need(mien_secagg_device_new(&config, &b->rng, &b->device[i], NULL), "device");
}

/* As after a round with the same neighbours. */
static void know_peers(struct bench *b, uint32_t of)
{
    uint32_t peers[MIEN_SECAGG_MAX_HOLDERS];
    const uint32_t n = mien_secagg_sum_peers(b->sum, of, peers);

    for (uint32_t i = 0; i < n; i++) {
        struct mien_credential ignored;

        need(mien_known_verify(b->known,
                               (struct mien_span){b->credential[peers[i]], MIEN_CREDENTIAL_BYTES},
                               b->ca_key, 500, &ignored, NULL),
             "credential");
    }
}

/* One device's roll, roster and shares, apart from what the coordinator does with them. */
static void share_from(struct bench *b, uint32_t from)
{
    struct mien_secagg_device *d = b->device[from];
    const size_t len = (size_t)b->session.n * MIEN_ROLL_ENTRY_BYTES;
    bool has[MIEN_SECAGG_MAX_HOLDERS + 1];

    if (from % 2 == 1)
        know_peers(b, from);
    double start = cpu_ms();
    count_device(from);
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
    b->step_ms[from % 2 == 1 ? STEP_ROSTER_KNOWN : STEP_ROSTER][from / 2] = cpu_ms() - start;
    start = cpu_ms();
    need(mien_secagg_device_roster_end(d, &b->rng, NULL), "roster");
    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++)
        need(mien_secagg_device_shares(
                 d, place, b->sealed + (size_t)place * MIEN_SEALED_SHARES_BYTES, &has[place]),
             "shares");
    b->step_ms[STEP_SHARES][from] = cpu_ms() - start;
    (void)mien_mem_count_for(COORDINATOR);
    start = cpu_ms();
    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++) {
        const struct mien_span sealed = {b->sealed + (size_t)place * MIEN_SEALED_SHARES_BYTES,
                                         MIEN_SEALED_SHARES_BYTES};

        if (has[place])
            need(mien_secagg_sum_shares(b->sum, from, mien_secagg_device_peer(d, place), sealed),
                 "shares");
    }
    b->keys_ms += cpu_ms() - start;
}

static void deliver_to(struct bench *b, uint32_t to)
{
    struct mien_secagg_device *d = b->device[to];
    const double start = cpu_ms();

    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++) {
        const uint32_t from = mien_secagg_device_peer(d, place);
        const uint8_t *sealed = mien_secagg_sum_delivery(b->sum, from, to);

        if (sealed != NULL)
            need(mien_secagg_device_deliver(
                     d, from, (struct mien_span){sealed, MIEN_SEALED_SHARES_BYTES}, NULL),
                 "deliver");
    }
    need(mien_secagg_device_deliver_end(d, NULL), "deliver");
    b->step_ms[STEP_OPEN][to] = cpu_ms() - start;
}

static void input_from(struct bench *b, uint32_t i)
{
    const size_t len = (size_t)mien_secagg_packed_bytes(b->session.dim, b->session.bits);
    struct mien_contribution contribution = {.update = b->update};
    struct mien_quantise_note note;
    double start = cpu_ms();

    count_device(i);
    need(mien_quantise(&b->params, NULL, &contribution, &b->rng, (int32_t *)b->vector, &note),
         "quantise");
    b->step_ms[STEP_QUANTISE][i] = cpu_ms() - start;
    start = cpu_ms();
    need(mien_secagg_device_mask(b->device[i], b->vector), "mask");
    b->step_ms[STEP_MASK][i] = cpu_ms() - start;
    start = cpu_ms();
    mien_pack(b->vector, b->session.dim, b->session.bits, b->packed);
    b->step_ms[STEP_PACK][i] = cpu_ms() - start;
    (void)mien_mem_count_for(COORDINATOR);
    start = cpu_ms();
    need(mien_secagg_sum_input(b->sum, i, (struct mien_span){b->packed, len}), "input");
    b->ingest_ms[i] = cpu_ms() - start;
}

static void confirm_from(struct bench *b, uint32_t from, const uint8_t *bitmap, const uint8_t *root)
{
    uint8_t signature[MIEN_SIGNATURE_BYTES];
    double start = cpu_ms();

    need(mien_secagg_device_survivors(b->device[from], bitmap, root, b->identity_seed[from],
                                      signature, NULL),
         "survivors");
    b->step_ms[STEP_SIGN][from] = cpu_ms() - start;
    start = cpu_ms();
    need(mien_secagg_sum_confirm(b->sum, from, signature), "confirm");
    b->coordinator_ms += cpu_ms() - start;
}

static void check_confirms(struct bench *b, uint32_t from)
{
    struct mien_secagg_device *d = b->device[from];
    const double start = cpu_ms();

    for (uint32_t place = 0; place < mien_secagg_device_n_peers(d); place++) {
        const uint32_t of = mien_secagg_device_peer(d, place);
        const uint8_t *signature = mien_secagg_sum_confirmation(b->sum, of);

        if (signature != NULL && of != from)
            need(mien_secagg_device_confirm(d, of, signature, NULL), "confirmed");
    }
    need(mien_secagg_device_confirm_end(d, NULL), "confirmed");
    b->step_ms[STEP_CHECK][from] = cpu_ms() - start;
}

static void reveal_from(struct bench *b, uint32_t from)
{
    struct mien_secagg_device *d = b->device[from];
    const uint32_t n = mien_secagg_device_n_peers(d);
    static uint8_t share[MIEN_SECAGG_MAX_HOLDERS + 1][MIEN_SHARE_BYTES];
    bool survived[MIEN_SECAGG_MAX_HOLDERS + 1];
    bool has[MIEN_SECAGG_MAX_HOLDERS + 1];
    double start = cpu_ms();

    for (uint32_t place = 0; place < n; place++)
        need(mien_secagg_device_reveal(d, place, &survived[place], share[place], &has[place]),
             "reveal");
    b->step_ms[STEP_REVEAL][from] = cpu_ms() - start;
    (void)mien_mem_count_for(COORDINATOR);
    start = cpu_ms();
    for (uint32_t place = 0; place < n; place++) {
        if (has[place])
            need(mien_secagg_sum_reveal(b->sum, from, mien_secagg_device_peer(d, place),
                                        survived[place],
                                        (struct mien_span){share[place], MIEN_SHARE_BYTES}),
                 "reveal");
    }
    b->coordinator_ms += cpu_ms() - start;
}

/* Messages up to the masked vectors. */
static void run_devices(struct bench *b, uint32_t n_stay)
{
    const uint32_t n = b->session.n;

    for (uint32_t i = 0; i < n; i++) {
        struct mien_session_keys keys;
        double start = cpu_ms();

        count_device(i);
        make_device(b, i);
        mien_secagg_device_keys(b->device[i], &keys);
        b->step_ms[STEP_KEYS][i] = cpu_ms() - start;
        (void)mien_mem_count_for(COORDINATOR);
        start = cpu_ms();
        need(mien_secagg_sum_keys(b->sum, i, b->credential[i], &keys, NULL), "keys");
        b->keys_ms += cpu_ms() - start;
    }
    need(mien_secagg_sum_close_keys(b->sum, b->opening), "keys");
    for (uint32_t i = 0; i < n; i++)
        share_from(b, i);
    need(mien_secagg_sum_close_shares(b->sum), "shares");
    b->peak_bytes[0] = mien_mem_count_peak(COORDINATOR);
    for (uint32_t i = 0; i < n; i++)
        deliver_to(b, i);
    for (uint32_t i = 0; i < n_stay; i++)
        input_from(b, i);
}

/* Unmasks with a crew of so many threads and says what that took. */
static void unmask(struct bench *b, uint32_t n_threads)
{
    struct mien_crew_threads threads = {.n_threads = n_threads};
    const struct mien_crew crew = mien_crew_of_threads(&threads);
    (void)mien_mem_count_for(OTHERS);
    int64_t *total = block(b->session.dim, sizeof(*total));
    struct mien_secagg_blame blame;
    const double start = cpu_ms();
    const double wall = wall_ms();

    (void)mien_mem_count_for(COORDINATOR);
    need(mien_secagg_sum_unmask(b->sum, &crew, total, &blame), "unmask");
    printf("coordinator: vectors to sum      %8.1f ms CPU, %.1f ms wall on %u threads\n",
           cpu_ms() - start + b->coordinator_ms, wall_ms() - wall + b->coordinator_ms, n_threads);
    for (uint32_t j = 0; j < b->session.dim; j++)
        need(total[j] == 0 ? MIEN_OK : MIEN_ECORRUPT, "the sum of zeros");
    mien_free(total);
}

/* On one thread in a copy of the process, then on all. */
static void unmask_twice(struct bench *b)
{
    int status = 0;

    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        unmask(b, 1);
        fflush(stdout);
        _exit(0);
    }
    need(child > 0 && waitpid(child, &status, 0) == child && status == 0 ? MIEN_OK : MIEN_EIO,
         "one thread");
    unmask(b, mien_crew_threads_all().n_threads);
}

static void bench_session(struct bench *b)
{
    const uint32_t n = b->session.n;
    const uint32_t n_stay = n - n / 10;
    uint8_t bitmap[MIEN_BITMAP_BYTES];
    uint8_t root[32];

    make_members(b);
    (void)mien_mem_count_for(COORDINATOR);
    need(mien_secagg_sum_new(&b->session, b->tags, &b->sum), "session");
    run_devices(b, n_stay);
    double start = cpu_ms();
    need(mien_secagg_sum_close_inputs(b->sum, bitmap, root), "inputs");
    b->coordinator_ms = cpu_ms() - start;
    for (uint32_t i = 0; i < n_stay; i++)
        confirm_from(b, i, bitmap, root);
    need(mien_secagg_sum_close_confirms(b->sum), "confirms");
    for (uint32_t i = 0; i < n_stay; i++)
        check_confirms(b, i);
    mien_mem_count_restart(COORDINATOR);
    for (uint32_t i = 0; i < n_stay; i++)
        reveal_from(b, i);
    b->peak_bytes[1] = mien_mem_count_peak(COORDINATOR);
    secagg_print_times(b, n_stay);
    unmask_twice(b);
    b->peak_bytes[2] = mien_mem_count_peak(COORDINATOR);
    secagg_print_limit(b, bitmap);
    secagg_print_memory(b);
    for (uint32_t i = 0; i < n; i++)
        mien_secagg_device_free(b->device[i]);
    mien_secagg_sum_free(b->sum);
}

/* 20 bits, or as many more as sums of so many members need when peaks may be cut. */
static void choose_bits(struct bench *b)
{
    struct mien_secagg_shape shape = {.n_update = b->session.dim - MIEN_N_METRICS,
                                      .clip = 1.0,
                                      .n_max = b->session.n,
                                      .bits = LEAST_BITS};

    while (shape.bits < MIEN_SECAGG_MAX_BITS &&
           mien_secagg_params_init(&b->params, &shape, NULL) == MIEN_ELIMIT)
        shape.bits++;
    need(mien_secagg_params_init(&b->params, &shape, NULL), "parameters");
    b->session.bits = shape.bits;
}

static void set_up(struct bench *b)
{
    need(mien_known_new(&b->known), "memory");
    b->vector = block(b->session.dim, sizeof(*b->vector));
    b->update = block(b->session.dim, sizeof(*b->update));
    b->packed = block((size_t)mien_secagg_packed_bytes(b->session.dim, b->session.bits), 1);
    b->sealed = block(b->session.k + 1, MIEN_SEALED_SHARES_BYTES);
    b->ingest_ms = block(b->session.n, sizeof(double));
    for (int s = 0; s < N_STEPS; s++)
        b->step_ms[s] = block(b->session.n, sizeof(double));
}

static void tear_down(struct bench *b)
{
    mien_known_free(b->known);
    mien_free(b->vector);
    mien_free(b->update);
    mien_free(b->packed);
    mien_free(b->sealed);
    mien_free(b->ingest_ms);
    for (int s = 0; s < N_STEPS; s++)
        mien_free(b->step_ms[s]);
    mien_free(b->tags);
    mien_free(b->identity_seed);
    mien_free(b->credential);
    mien_free(b->device);
}

int main(int argc, char **argv)
{
    const struct mien_design_goal goal = {0.05, 0.10, MIEN_DESIGN_SEMI_MALICIOUS, MIEN_DESIGN_SIGMA,
                                          MIEN_DESIGN_ETA};
    const uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 128;
    const uint32_t dim = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
    struct mien_design d = {0};
    struct bench b = {.rng = mien_rng_system(), .session = {.n = n, .dim = dim}};

    if (argc > 4) {
        d.k = (uint32_t)strtoul(argv[3], NULL, 10);
        d.t = (uint32_t)strtoul(argv[4], NULL, 10);
    } else if (n < 10 || mien_design_of(&goal, n, &d, NULL) != MIEN_OK) {
        return 2;
    }
    b.session.k = d.k;
    b.session.t = d.t;
    if (dim <= MIEN_N_METRICS || n > MIEN_SECAGG_MAX_MEMBERS)
        return 2;
    choose_bits(&b);
    if (!mien_session_is_sound(&b.session))
        return 2;
    set_up(&b);
    printf("%u members, %u neighbours, threshold %u, %u values of %u bits, one in ten leaves\n", n,
           d.k, d.t, dim, b.session.bits);
    bench_session(&b);
    tear_down(&b);
    return 0;
}
