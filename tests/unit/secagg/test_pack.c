// SPDX-License-Identifier: Apache-2.0
#include "common/base/rng_seeded.h"
#include "common/secagg/pack.h"
#include "common/secagg/params.h"
#include "tests/support/test.h"

#include <string.h>

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
    packed[4] = 0;
    assert_int_equal(mien_unpack_add((struct mien_span){packed, 5}, 11, sum, 3), MIEN_EPARSE);
    assert_int_equal(mien_unpack_add((struct mien_span){packed, 5}, 33, sum, 1), MIEN_EPARSE);
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
        cmocka_unit_test(packing_keeps_low_bits_in_any_parts),
        cmocka_unit_test(packed_bytes_are_as_written_down),
        cmocka_unit_test(vectors_of_other_lengths_or_filling_are_refused),
        cmocka_unit_test(residues_lift_to_the_nearest_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
