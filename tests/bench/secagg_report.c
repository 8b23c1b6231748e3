// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/secagg_bench.h"

#include "common/secagg/mask_kernel.h"

#include <sys/resource.h>

static const char *const step_names[N_STEPS] = {"make and sign keys",
                                                "check roll and roster",
                                                "the same, peers known",
                                                "share and seal",
                                                "open shares",
                                                "quantise",
                                                "agree, mask",
                                                "pack",
                                                "sign survivors",
                                                "check signatures",
                                                "reveal"};

void secagg_print_times(struct bench *b, uint32_t n_stay)
{
    const uint64_t control = MIEN_KEY_BYTES * 2 + MIEN_SIGNATURE_BYTES * 2 +
                             (uint64_t)b->session.k * (MIEN_SEALED_SHARES_BYTES + MIEN_SHARE_BYTES);
    double ms[N_STEPS];
    double total = 0.0;

    for (int s = 0; s < N_STEPS; s++) {
        const bool half = s == STEP_ROSTER || s == STEP_ROSTER_KNOWN;

        ms[s] = median_ms(b->step_ms[s], half ? n_stay / 2 : n_stay);
        printf("device: %-24s %8.2f ms\n", step_names[s], ms[s]);
        total += ms[s];
    }
    printf("device: all, peers new           %8.2f ms\n", total - ms[STEP_ROSTER_KNOWN]);
    printf("device: all, peers known         %8.2f ms\n", total - ms[STEP_ROSTER]);
    printf("device: upload                   %8.3f MB of vector, %.1f KB of keys, shares, "
           "signatures\n",
           (double)mien_secagg_packed_bytes(b->session.dim, b->session.bits) * 1e-6,
           (double)control * 1e-3);
    printf("coordinator: keys and shares     %8.2f ms a member\n", b->keys_ms / b->session.n);
    printf("coordinator: ingest a vector     %8.2f ms\n", median_ms(b->ingest_ms, n_stay));
}

void secagg_print_memory(const struct bench *b)
{
    static const char *const what[] = {"ciphertexts are in", "shares are in", "masks come off"};
    const double sum = 4.0 * b->session.dim;
    struct rusage usage;

    for (int i = 0; i < 3; i++) {
        const double each = ((double)b->peak_bytes[i] - sum) / b->session.n;

        printf("coordinator: memory, %-18s %8.1f MB: the accumulator and %.0f bytes a member, "
               "%.1f a neighbour\n",
               what[i], (double)b->peak_bytes[i] * 1e-6, each, each / b->session.k);
    }
    printf("device: memory                   %8.1f KB without its vector\n",
           (double)mien_mem_count_peak(DEVICE) * 1e-3);
    getrusage(RUSAGE_SELF, &usage);
    printf("memory of all devices and the coordinator: %ld MB\n", usage.ru_maxrss / 1024);
}

void secagg_print_limit(struct bench *b, const uint8_t *bitmap)
{
    enum { RUNS = 32 };
    const uint32_t n = b->session.n;
    const uint32_t n_alive = mien_bitmap_count(bitmap, n);
    struct mien_mask masks[RUNS];

    need(mien_rng_fill(&b->rng, masks, sizeof(masks)), "random");
    for (int i = 0; i < RUNS; i++)
        masks[i].subtract = i % 2 == 1;
    const double start = cpu_ms();
    need(mien_mask_apply(NULL, masks, RUNS, b->vector, b->session.dim), "masks");
    const double mask = (cpu_ms() - start) / RUNS;
    /* Of those that left, each has k / n of the survivors for neighbours. */
    const double n_masks =
        n_alive + (double)(n - n_alive) * b->session.k * n_alive / (n > 1 ? n - 1 : 1);
    printf("keystream's share: a mask %.3f ms (%s); device %.1f ms; coordinator %.1f ms\n", mask,
           mien_mask_best(&masks[0])->name, mask * (b->session.k + 1), mask * n_masks);
}
