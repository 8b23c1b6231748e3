// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"
#include "common/base/rng_seeded.h"
#include "common/secagg/mask_kernel.h"
#include "tests/support/test.h"

#include <string.h>

/* NIST SP 800-38A, F.5.1: AES-128-CTR; the keystream is plaintext xor ciphertext. */
static const uint8_t nist_key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                     0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
static const uint8_t nist_counter[16] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                         0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
static const uint8_t nist_stream[2][16] = {{0xec, 0x8c, 0xdf, 0x73, 0x98, 0x60, 0x7c, 0xb0, 0xf2,
                                            0xd2, 0x16, 0x75, 0xea, 0x9e, 0xa1, 0xe4},
                                           {0x36, 0x2b, 0x7c, 0x3c, 0x67, 0x73, 0x51, 0x63, 0x18,
                                            0xa0, 0x77, 0xd7, 0xfc, 0x50, 0x73, 0xae}};

static struct mien_mask nist_mask(bool subtract)
{
    struct mien_mask mask = {.subtract = subtract};

    memcpy(mask.key, nist_key, 16);
    memcpy(mask.key + 16, nist_counter, 16);
    return mask;
}

/* Kernel k of those this processor can run, OpenSSL's first; NULL after the last. */
static const struct mien_mask_kernel *kernel_at(uint32_t k)
{
    return k == 0 ? mien_mask_evp() : mien_mask_native(k - 1);
}

static void masks_are_the_standards_keystream(void **state)
{
    (void)state;
    for (uint32_t k = 0; kernel_at(k) != NULL; k++) {
        const struct mien_mask mask = nist_mask(false);
        uint32_t words[8] = {0};

        assert_int_equal(mien_mask_add(kernel_at(k), &mask, 0, words, 8), MIEN_OK);
        for (int i = 0; i < 8; i++)
            assert_int_equal(words[i], mien_load_le32(nist_stream[i / 4] + 4 * (i % 4)));
    }
}

/* The counter passes 2^64 and 2^128 within the stream, at any place of a kernel's chunk. OpenSSL
 * counts in 128 bits by itself: it is asked for the whole stream at once. */
static void kernels_agree_wherever_the_counter_carries(void **state)
{
    (void)state;
    enum { N = 1500, WORDS = N + MIEN_MASK_BLOCK_WORDS };
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(3, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    for (uint32_t trial = 0; trial < 300; trial++) {
        static uint32_t start[WORDS];
        static uint32_t want[WORDS];
        static uint32_t got[WORDS];
        struct mien_mask mask = {.subtract = trial % 2 == 1};
        const uint64_t n = 1 + mien_rng_seeded_below(seeded, N);

        assert_int_equal(mien_rng_fill(&rng, mask.key, 32), MIEN_OK);
        assert_int_equal(mien_rng_fill(&rng, start, sizeof(start)), MIEN_OK);
        if (trial % 3 != 0)
            mien_store_be64(mask.key + 24, 0 - mien_rng_seeded_below(seeded, 400));
        if (trial % 3 == 2)
            mien_store_be64(mask.key + 16, UINT64_MAX);
        const struct mien_mask_counter counter = {.high = mien_load_be64(mask.key + 16),
                                                  .low = mien_load_be64(mask.key + 24)};
        memcpy(want, start, sizeof(want));
        assert_int_equal(
            mien_mask_evp()->add(&mask, counter, want, (n + MIEN_MASK_BLOCK_WORDS - 1) / 4),
            MIEN_OK);
        for (uint32_t k = 0; kernel_at(k) != NULL; k++) {
            memcpy(got, start, sizeof(got));
            assert_int_equal(mien_mask_add(kernel_at(k), &mask, 0, got, n), MIEN_OK);
            assert_memory_equal(got, want, n * sizeof(got[0]));
            assert_memory_equal(got + n, start + n, (WORDS - n) * sizeof(got[0]));
        }
    }
    mien_rng_seeded_free(seeded);
}

static void a_stream_can_be_entered_at_any_block(void **state)
{
    (void)state;
    enum { N = 700, FROM = 77 };
    uint32_t whole[N] = {0};
    const struct mien_mask mask = nist_mask(true);

    assert_int_equal(mien_mask_add(mien_mask_evp(), &mask, 0, whole, N), MIEN_OK);
    for (uint32_t k = 0; kernel_at(k) != NULL; k++) {
        uint32_t part[N - 4 * FROM] = {0};

        assert_int_equal(mien_mask_add(kernel_at(k), &mask, FROM, part, N - 4 * FROM), MIEN_OK);
        assert_memory_equal(part, whole + 4 * FROM, sizeof(part));
    }
}

static enum mien_status add_wrongly(const struct mien_mask *mask, struct mien_mask_counter first,
                                    uint32_t *residue, uint64_t n_chunks)
{
    first.low++;
    return mien_mask_evp()->add(mask, first, residue, n_chunks);
}

static void the_kernel_that_is_used_gives_openssls_stream(void **state)
{
    (void)state;
    const struct mien_mask mask = nist_mask(false);
    const struct mien_mask_kernel wrong = {
        .name = "wrong", .chunk_words = 4, .tile_words = 4096, .add = add_wrongly};
    const struct mien_mask_kernel *first = mien_mask_native(0);

    assert_false(mien_mask_agrees(&wrong, &mask));
    assert_true(mien_mask_agrees(mien_mask_evp(), &mask));
    assert_ptr_equal(mien_mask_best(&mask), first == NULL ? mien_mask_evp() : first);
    for (uint32_t k = 0; kernel_at(k) != NULL; k++) {
        assert_true(kernel_at(k)->chunk_words <= MIEN_MASK_MAX_CHUNK_WORDS);
        assert_int_equal(kernel_at(k)->tile_words % kernel_at(k)->chunk_words, 0);
    }
}

/* Takes the slices in an order of its own, and counts them. */
static enum mien_status backwards(void *self, mien_crew_slice slice, void *task, uint32_t n)
{
    uint32_t *n_slices = self;
    enum mien_status status = MIEN_OK;

    *n_slices = n;
    for (uint32_t i = n; i > 0 && status == MIEN_OK; i--)
        status = slice(task, i - 1);
    return status;
}

/* Tiles are an arrangement, not a meaning: the same as one stream after the other, whoever takes
 * them. */
static void many_masks_are_the_sum_of_each(void **state)
{
    (void)state;
    enum { N = 140001, N_MASKS = 5 };
    static uint32_t tiled[N];
    static uint32_t plain[N];
    struct mien_mask masks[N_MASKS];
    uint32_t n_slices = 0;
    const struct mien_crew crew = {.run = backwards, .self = &n_slices};

    for (uint32_t i = 0; i < N_MASKS; i++) {
        masks[i] = nist_mask(i % 2 == 1);
        masks[i].key[0] = (uint8_t)i;
        assert_int_equal(mien_mask_add(mien_mask_evp(), &masks[i], 0, plain, N), MIEN_OK);
    }
    assert_int_equal(mien_mask_apply(NULL, masks, N_MASKS, tiled, N), MIEN_OK);
    assert_memory_equal(tiled, plain, sizeof(tiled));
    for (uint32_t i = 0; i < N_MASKS; i++)
        masks[i].subtract = !masks[i].subtract;
    assert_int_equal(mien_mask_apply(&crew, masks, N_MASKS, tiled, N), MIEN_OK);
    assert_true(n_slices > 1);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(tiled[i], 0);
    assert_int_equal(mien_mask_apply(NULL, masks, 0, tiled, N), MIEN_OK);
}

/* Chi-square over bytes of masked zeros: 4 x 10^5 bytes in 256 bins; 255 degrees of freedom pass
 * 377.1 with probability 10^-6 (and fall under 158.5 with the same). The key is fixed, so this test
 * never fails by chance. */
static void masked_vectors_look_uniform(void **state)
{
    (void)state;
    enum { N = 100000 };
    static uint32_t words[N];
    uint32_t bins[256] = {0};
    double chi_square = 0.0;
    const double want = 4.0 * N / 256.0;
    const struct mien_mask mask = nist_mask(false);

    memset(words, 0, sizeof(words));
    assert_int_equal(mien_mask_apply(NULL, &mask, 1, words, N), MIEN_OK);
    for (uint32_t i = 0; i < 4 * N; i++)
        bins[words[i / 4] >> (8 * (i % 4)) & 0xff]++;
    for (int i = 0; i < 256; i++)
        chi_square += (bins[i] - want) * (bins[i] - want) / want;
    assert_true(chi_square > 158.5 && chi_square < 377.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_the_standards_keystream),
        cmocka_unit_test(kernels_agree_wherever_the_counter_carries),
        cmocka_unit_test(a_stream_can_be_entered_at_any_block),
        cmocka_unit_test(the_kernel_that_is_used_gives_openssls_stream),
        cmocka_unit_test(many_masks_are_the_sum_of_each),
        cmocka_unit_test(masked_vectors_look_uniform),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
