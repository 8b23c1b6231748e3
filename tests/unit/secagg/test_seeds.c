// SPDX-License-Identifier: Apache-2.0
/* Seeds of masks have 128 bits, each drawn and each used. (A mask from fewer can be tried out:
 * secure sums have been built on 32.) */
#include "common/secagg/device_internal.h"
#include "tests/unit/secagg/world.h"

#define SEED_BITS (8 * MIEN_SEED_BYTES)

typedef enum mien_status (*derivation)(const uint8_t *seed, const uint8_t *session_id,
                                       const uint8_t *device_id, uint8_t *out);

/* All seeds that differ from one in one bit, and that one, give different keys. */
static void assert_every_bit_counts(derivation derive)
{
    static uint8_t key[SEED_BITS + 1][32];
    const uint8_t session_id[32] = {1};
    const uint8_t device_id[16] = {2};
    uint8_t seed[MIEN_SEED_BYTES] = {3};

    for (uint32_t bit = 0; bit <= SEED_BITS; bit++) {
        if (bit < SEED_BITS)
            seed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(derive(seed, session_id, device_id, key[bit]), MIEN_OK);
        if (bit < SEED_BITS)
            seed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        for (uint32_t other = 0; other < bit; other++)
            assert_memory_not_equal(key[bit], key[other], 16); /* the cipher's key */
    }
}

static void every_bit_of_a_seed_makes_other_keys(void **state)
{
    (void)state;
    assert_every_bit_counts(mien_session_self_mask);
    assert_every_bit_counts(mien_session_mask_sk);
}

/* Both seeds of 64 devices: a bit that were always the same in honest draws would be so by chance
 * with probability 2^-63; the generator's seed is fixed. */
static void every_bit_of_a_seed_is_drawn(void **state)
{
    (void)state;
    enum { N_DEVICES = 64 };
    uint8_t ones[2][MIEN_SEED_BYTES] = {{0}};
    uint8_t zeros[2][MIEN_SEED_BYTES] = {{0}};
    struct world w;

    world_init(&w, 3, 31);
    const struct mien_secagg_device_config config = world_config(&w, 0);
    for (int i = 0; i < N_DEVICES; i++) {
        struct mien_secagg_device *device = NULL;

        assert_int_equal(mien_secagg_device_new(&config, &w.rng, &device, NULL), MIEN_OK);
        for (int j = 0; j < MIEN_SEED_BYTES; j++) {
            ones[0][j] |= device->key_seed[j];
            ones[1][j] |= device->self_seed[j];
            zeros[0][j] |= (uint8_t)~device->key_seed[j];
            zeros[1][j] |= (uint8_t)~device->self_seed[j];
        }
        mien_secagg_device_free(device);
    }
    for (int j = 0; j < MIEN_SEED_BYTES; j++) {
        assert_int_equal(ones[0][j] & ones[1][j], 0xff);
        assert_int_equal(zeros[0][j] & zeros[1][j], 0xff);
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_of_a_seed_makes_other_keys),
        cmocka_unit_test(every_bit_of_a_seed_is_drawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
