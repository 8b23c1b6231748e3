// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/base/rng_seeded.h"
#include "common/secagg/mask_kernel.h"
#include "common/secagg/params.h"
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

static void masks_are_the_standards_keystream(void **state)
{
    (void)state;
    mien_mask_kernel kernels[2] = {mien_mask_evp, mien_mask_native()};

    for (int k = 0; k < 2 && kernels[k] != NULL; k++) {
        const struct mien_mask mask = nist_mask(false);
        uint32_t words[8] = {0};

        assert_int_equal(kernels[k](&mask, 0, words, 8), MIEN_OK);
        for (int i = 0; i < 8; i++)
            assert_int_equal(words[i], mien_load_le32(nist_stream[i / 4] + 4 * (i % 4)));
    }
}

/* The counter passes 2^64 and 2^128 within the stream, at any place of a kernel's chunk. */
static void kernels_agree_wherever_the_counter_carries(void **state)
{
    (void)state;
    enum { N = 1500 };
    mien_mask_kernel native = mien_mask_native();
    struct mien_rng_seeded *seeded = NULL;

    if (native == NULL)
        skip();
    assert_int_equal(mien_rng_seeded_new(3, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    for (uint32_t trial = 0; trial < 300; trial++) {
        static uint32_t a[N];
        static uint32_t b[N];
        struct mien_mask mask = {.subtract = trial % 2 == 1};
        const uint64_t n = 1 + mien_rng_seeded_below(seeded, N);

        assert_int_equal(mien_rng_fill(&rng, mask.key, 32), MIEN_OK);
        assert_int_equal(mien_rng_fill(&rng, a, sizeof(a)), MIEN_OK);
        if (trial % 3 != 0)
            mien_store_be64(mask.key + 24, 0 - mien_rng_seeded_below(seeded, 400));
        if (trial % 3 == 2)
            mien_store_be64(mask.key + 16, UINT64_MAX);
        memcpy(b, a, sizeof(b));
        assert_int_equal(mien_mask_evp(&mask, trial, a, n), MIEN_OK);
        assert_int_equal(native(&mask, trial, b, n), MIEN_OK);
        assert_memory_equal(a, b, sizeof(a));
    }
    mien_rng_seeded_free(seeded);
}

/* Tiles are an arrangement, not a meaning: the same as one stream after the other. */
static void many_masks_are_the_sum_of_each(void **state)
{
    (void)state;
    enum { N = 40001, N_MASKS = 5 };
    static uint32_t tiled[N];
    static uint32_t plain[N];
    struct mien_mask masks[N_MASKS];

    for (uint32_t i = 0; i < N_MASKS; i++) {
        masks[i] = nist_mask(i % 2 == 1);
        masks[i].key[0] = (uint8_t)i;
        assert_int_equal(mien_mask_evp(&masks[i], 0, plain, N), MIEN_OK);
    }
    assert_int_equal(mien_mask_apply(masks, N_MASKS, tiled, N), MIEN_OK);
    assert_memory_equal(tiled, plain, sizeof(tiled));
    for (uint32_t i = 0; i < N_MASKS; i++)
        masks[i].subtract = !masks[i].subtract;
    assert_int_equal(mien_mask_apply(masks, N_MASKS, tiled, N), MIEN_OK);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(tiled[i], 0);
    assert_int_equal(mien_mask_apply(masks, 0, tiled, N), MIEN_OK);
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
    assert_int_equal(mien_mask_apply(&mask, 1, words, N), MIEN_OK);
    for (uint32_t i = 0; i < 4 * N; i++)
        bins[words[i / 4] >> (8 * (i % 4)) & 0xff]++;
    for (int i = 0; i < 256; i++)
        chi_square += (bins[i] - want) * (bins[i] - want) / want;
    assert_true(chi_square > 158.5 && chi_square < 377.1);
}

static void packing_keeps_low_bits_in_any_parts(void **state)
{
    (void)state;
    enum { N = 67 };
    struct mien_rng_seeded *seeded = NULL;

    assert_int_equal(mien_rng_seeded_new(5, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    for (uint32_t bits = MIEN_SECAGG_MIN_BITS; bits <= MIEN_SECAGG_MAX_BITS; bits++) {
        for (uint32_t n = 1; n <= N; n++) {
            uint32_t words[N];
            uint32_t sum[N] = {0};
            uint8_t packed[N * 4];
            uint8_t parts[N * 4];
            const size_t len = (size_t)mien_secagg_packed_bytes(n, bits);

            assert_int_equal(mien_rng_fill(&rng, words, sizeof(words)), MIEN_OK);
            mien_pack(words, n, bits, packed);
            for (size_t at = 0; at < len;) {
                const size_t part = 1 + mien_rng_seeded_below(seeded, len - at);

                mien_pack_part(words, n, bits, at, parts + at, part);
                at += part;
            }
            assert_memory_equal(packed, parts, len);
            assert_int_equal(mien_unpack_add((struct mien_span){packed, len}, bits, sum, n),
                             MIEN_OK);
            for (uint32_t i = 0; i < n; i++)
                assert_int_equal(sum[i], words[i] & (UINT32_MAX >> (32 - bits)));
        }
    }
    mien_rng_seeded_free(seeded);
}

static void packed_bytes_are_as_written_down(void **state)
{
    (void)state;
    const uint32_t words[3] = {0xabc, 0x123, 0xff7};
    const uint8_t want[5] = {0xbc, 0x3a, 0x12, 0xf7, 0x0f};
    uint8_t packed[5];

    mien_pack(words, 3, 12, packed);
    assert_memory_equal(packed, want, sizeof(want));
}

static void vectors_of_other_lengths_or_filling_are_refused(void **state)
{
    (void)state;
    uint32_t sum[3] = {7, 8, 9};
    uint8_t packed[6] = {0};

    assert_int_equal(mien_unpack_add((struct mien_span){packed, 4}, 12, sum, 3), MIEN_EPARSE);
    assert_int_equal(mien_unpack_add((struct mien_span){packed, 6}, 12, sum, 3), MIEN_EPARSE);
    assert_int_equal(mien_unpack_add((struct mien_span){packed, 0}, 12, sum, 0), MIEN_EPARSE);
    packed[4] = 0x10; /* above the third residue's bits */
    assert_int_equal(mien_unpack_add((struct mien_span){packed, 5}, 12, sum, 3), MIEN_EPARSE);
    assert_int_equal(sum[0], 7);
    assert_int_equal(sum[2], 9);
}

static void residues_lift_to_the_nearest_number(void **state)
{
    (void)state;
    assert_int_equal(mien_lift(0x7ff, 12), 2047);
    assert_int_equal(mien_lift(0x800, 12), -2048);
    assert_int_equal(mien_lift(0xfffff001, 12), 1); /* what is above the bits does not count */
    assert_int_equal(mien_lift(UINT32_MAX, 32), -1);
    assert_int_equal(mien_lift(0x80000000, 32), INT32_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_are_the_standards_keystream),
        cmocka_unit_test(kernels_agree_wherever_the_counter_carries),
        cmocka_unit_test(many_masks_are_the_sum_of_each),
        cmocka_unit_test(masked_vectors_look_uniform),
        cmocka_unit_test(packing_keeps_low_bits_in_any_parts),
        cmocka_unit_test(packed_bytes_are_as_written_down),
        cmocka_unit_test(vectors_of_other_lengths_or_filling_are_refused),
        cmocka_unit_test(residues_lift_to_the_nearest_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
