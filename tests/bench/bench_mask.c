// SPDX-License-Identifier: Apache-2.0
/* What moves 10^6 residues: masks by every kernel this machine has, packing, unpacking, quantising.
 *
 * Usage: bench_mask [RUNS]   15 runs of everything, one after the other, unless said; medians
 *
 * The machine's limit is measured in the same runs: the best kernel on 16384 residues that never
 * leave the cache, for the work of 10^6; and OpenSSL's AES-128-CTR on its own, without
 * adding what it makes. Figures of peers are those that notes and papers state, measured elsewhere.
 */
#include "common/base/num.h"
#include "common/base/rng.h"
#include "common/secagg/mask_kernel.h"
#include "common/secagg/pack.h"
#include "common/secagg/params.h"
#include "common/secagg/quantise.h"
#include "common/secagg/rotate.h"
#include "tests/bench/bench.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    DIM = 1000000,
    N_MASKS = 32,
    ROTATED = 1 << 20,
    CACHED = 16384,
    N_MAX = 1000,
    MAX_RUNS = 101,
    MAX_ROWS = 16,
};

struct bench {
    struct mien_rng rng;
    struct mien_mask mask[N_MASKS];
    uint32_t *residue;                   /* [DIM] */
    uint8_t *packed;                     /* [4 DIM] */
    float *update;                       /* [DIM] */
    float *scratch;                      /* [ROTATED] */
    int32_t *vector;                     /* [ROTATED] */
    struct mien_secagg_params params[2]; /* plain, rotated */
};

struct row {
    const char *name;
    void (*run)(struct bench *b, uint32_t argument);
    uint32_t argument;
    double divide;
    double ms[MAX_RUNS];
};

/* The keystream of 10^6 residues, added where it costs no memory traffic. */
static void run_floor(struct bench *b, uint32_t argument)
{
    const struct mien_mask_kernel *kernel = mien_mask_best(&b->mask[0]);

    (void)argument;
    for (uint32_t at = 0; at < DIM; at += CACHED) {
        for (uint32_t i = 0; i < N_MASKS; i++)
            need(mien_mask_add(kernel, &b->mask[i], at / MIEN_MASK_BLOCK_WORDS, b->residue,
                               mien_min_size(CACHED, DIM - at)),
                 "limit");
    }
}

/* OpenSSL's bytes in 64 KiB pieces, thrown away. */
static void run_openssl(struct bench *b, uint32_t argument)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    static const uint8_t zeros[4 * CACHED];
    int n = 0;

    (void)argument;
    need(ctx != NULL && EVP_EncryptInit_ex2(ctx, EVP_aes_128_ctr(), b->mask[0].key,
                                            b->mask[0].key + 16, NULL) == 1
             ? MIEN_OK
             : MIEN_ECRYPTO,
         "OpenSSL");
    for (uint32_t at = 0; at < DIM; at += CACHED)
        need(EVP_EncryptUpdate(ctx, b->packed, &n, zeros,
                               4 * (int)mien_min_size(CACHED, DIM - at)) == 1
                 ? MIEN_OK
                 : MIEN_ECRYPTO,
             "OpenSSL");
    EVP_CIPHER_CTX_free(ctx);
}

/* N_MASKS masks by one kernel, tile by tile as mien_mask_apply does it. */
static void run_kernel(struct bench *b, uint32_t argument)
{
    const struct mien_mask_kernel *kernel =
        argument == 0 ? mien_mask_evp() : mien_mask_native(argument - 1);

    for (uint32_t at = 0; at < DIM; at += kernel->tile_words) {
        for (uint32_t i = 0; i < N_MASKS; i++)
            need(mien_mask_add(kernel, &b->mask[i], at / MIEN_MASK_BLOCK_WORDS, b->residue + at,
                               mien_min_size(kernel->tile_words, DIM - at)),
                 kernel->name);
    }
}

static void run_apply(struct bench *b, uint32_t n_masks)
{
    need(mien_mask_apply(NULL, b->mask, n_masks, b->residue, DIM), "masks");
}

static void run_pack(struct bench *b, uint32_t bits)
{
    mien_pack(b->residue, DIM, bits, b->packed);
}

static void run_unpack(struct bench *b, uint32_t bits)
{
    const size_t len = (size_t)mien_secagg_packed_bytes(DIM, bits);

    need(mien_unpack_add((struct mien_span){b->packed, len}, bits, b->residue, DIM), "unpack");
}

static void run_quantise(struct bench *b, uint32_t rotate)
{
    static const uint8_t key[MIEN_ROTATION_KEY_BYTES];
    struct mien_contribution contribution = {.update = b->scratch};
    struct mien_quantise_note note;

    memcpy(b->scratch, b->update, DIM * sizeof(float));
    need(mien_quantise(&b->params[rotate], key, &contribution, &b->rng, b->vector, &note),
         "quantise");
}

static void set_up(struct bench *b)
{
    b->rng = mien_rng_system();
    b->residue = block(DIM, sizeof(*b->residue));
    b->packed = block(DIM, 4);
    b->update = block(DIM, sizeof(*b->update));
    b->scratch = block(ROTATED, sizeof(*b->scratch));
    b->vector = block(ROTATED, sizeof(*b->vector));
    need(mien_rng_fill(&b->rng, b->mask, sizeof(b->mask)), "random");
    for (int i = 0; i < N_MASKS; i++)
        b->mask[i].subtract = i % 2 == 1;
    need(mien_rng_fill(&b->rng, b->residue, DIM * sizeof(*b->residue)), "random");
    for (uint32_t i = 0; i < DIM; i++) /* norm about 0.58 */
        b->update[i] = (float)((double)(int32_t)b->residue[i] * 0x1p-31 * 1e-3);
    for (int i = 0; i < 2; i++) {
        const struct mien_secagg_shape shape = {
            .n_update = DIM, .clip = 1.0, .n_max = N_MAX, .rotate = i == 1};

        need(mien_secagg_params_init(&b->params[i], &shape, NULL), "parameters");
        printf("sums of %d: %u x %u bits%s, %.3f MB\n", N_MAX, b->params[i].dim, b->params[i].bits,
               i == 1 ? ", rotated" : "",
               (double)mien_secagg_packed_bytes(b->params[i].dim, b->params[i].bits) * 1e-6);
    }
}

static uint32_t make_rows(struct row *rows)
{
    uint32_t n = 0;

    rows[n++] =
        (struct row){.name = "limit: best kernel in cache", .run = run_floor, .divide = N_MASKS};
    rows[n++] = (struct row){.name = "limit: OpenSSL, not added", .run = run_openssl};
    rows[n++] = (struct row){
        .name = "one of 32 masks", .run = run_apply, .argument = N_MASKS, .divide = N_MASKS};
    rows[n++] = (struct row){.name = "one mask alone", .run = run_apply, .argument = 1};
    for (uint32_t k = 0; k == 0 || mien_mask_native(k - 1) != NULL; k++)
        rows[n++] = (struct row){.name = k == 0 ? "OpenSSL" : mien_mask_native(k - 1)->name,
                                 .run = run_kernel,
                                 .argument = k,
                                 .divide = N_MASKS};
    rows[n++] = (struct row){.name = "pack, 20 bits", .run = run_pack, .argument = 20};
    rows[n++] = (struct row){.name = "unpack and add, 20 bits", .run = run_unpack, .argument = 20};
    rows[n++] = (struct row){.name = "pack, 17 bits", .run = run_pack, .argument = 17};
    rows[n++] = (struct row){.name = "unpack and add, 17 bits", .run = run_unpack, .argument = 17};
    rows[n++] = (struct row){.name = "quantise", .run = run_quantise};
    rows[n++] = (struct row){.name = "rotate and quantise", .run = run_quantise, .argument = 1};
    return n;
}

int main(int argc, char **argv)
{
    static struct bench b;
    static struct row rows[MAX_ROWS];
    const unsigned long n_runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 15;
    const uint32_t n_rows = make_rows(rows);
    double floor_ms = 0.0;

    if (n_runs == 0 || n_runs > MAX_RUNS)
        return 2;
    set_up(&b);
    for (unsigned long run = 0; run < n_runs; run++) {
        for (uint32_t i = 0; i < n_rows; i++) {
            const double start = cpu_ms();

            rows[i].run(&b, rows[i].argument);
            rows[i].ms[run] = (cpu_ms() - start) / (rows[i].divide > 0.0 ? rows[i].divide : 1.0);
        }
    }
    printf("%d residues, CPU time, median of %lu runs\n", DIM, n_runs);
    for (uint32_t i = 0; i < n_rows; i++) {
        const double ms = median_ms(rows[i].ms, n_runs);

        floor_ms = i == 0 ? ms : floor_ms;
        printf("%-28s %8.3f ms  %6.2f x limit  best %8.3f ms\n", rows[i].name, ms, ms / floor_ms,
               rows[i].ms[0]);
    }
    printf("one mask, as peers' measurements state it: Google's core 4.6 ms, Flower 5.5 ms\n");
    mien_free(b.residue);
    mien_free(b.packed);
    mien_free(b.update);
    mien_free(b.scratch);
    mien_free(b.vector);
    return 0;
}
