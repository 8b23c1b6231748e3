// SPDX-License-Identifier: Apache-2.0
/* Every family on a device: its vector, its memory, what stays on the device. */
#include "scripted.h"

#include "client/train.h"
#include "common/secagg/params.h"
#include "common/secagg/quantise.h"
#include "common/wire/vector.h"
#include "tests/support/tiny_plan.h"

static struct scripted s;
static const uint8_t rotation[32]; /* used when a plan rotates */

static int setup(void **state)
{
    (void)state;
    scripted_init(&s);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scripted_fini(&s);
    assert_int_equal(mien_mem_live(), 0);
    return 0;
}

static const char *attribute(void *self, size_t index, const char *name)
{
    (void)self;
    if (strcmp(name, "text") == 0)
        return index % 2 == 0 ? "abc" : "xyz";
    return index % 2 == 0 ? "0" : "1";
}

static void use_family(enum mien_family family)
{
    struct mien_plan plan = tiny_plan(family);

    plan.cohort = 4;
    plan.min_reports = 2;
    plan.group_min = 2;
    plan.group_max = 8;
    plan.min_examples = 4;
    plan.rate = 1;
    plan.sampling = MIEN_PLAN_UNSAMPLED;
    s.plan = plan;
    scripted_use_plan(&s);
    s.config.host.examples.attribute = attribute;
}

/* What one device's training gives. */
struct outcome {
    struct mien_secagg_params params;
    int32_t *vector; /* [dim] */
    enum mien_client_note note;
    int n_slices;
    bool kept;
    uint8_t own[4096];
};

static struct outcome train_with(struct mien_span own)
{
    struct outcome o = {0};
    struct mien_client_train *train = NULL;
    struct mien_rng_seeded *seeded = NULL;
    bool done = false;

    assert_int_equal(mien_rng_seeded_new(31, 0, &seeded), MIEN_OK);
    struct mien_rng rng = mien_rng_seeded_handle(seeded);
    assert_int_equal(mien_secagg_params_of_plan(&s.plan, &o.params, NULL), MIEN_OK);
    o.vector = mien_calloc(o.params.dim, sizeof(*o.vector));
    assert_non_null(o.vector);
    assert_int_equal(mien_client_train_new(&s.plan, &train), MIEN_OK);
    assert_int_equal(mien_client_train_start(train, mien_buf_span(&s.model_bytes), own,
                                             &s.config.host.examples, &rng),
                     MIEN_OK);
    mien_mem_fail_at(0); /* a step allocates nothing */
    for (; !done; o.n_slices++)
        assert_int_equal(mien_client_train_step(train, &done), MIEN_OK);
    mien_mem_fail_at(-1);
    assert_int_equal(mien_client_train_take(train, &o.params, rotation, &rng, o.vector, &o.note),
                     MIEN_OK);
    assert_true(4 * mien_plan_n_private(&s.plan) <= sizeof(o.own));
    o.kept = mien_client_train_keep(train, o.own);
    mien_client_train_free(train);
    mien_rng_seeded_free(seeded);
    return o;
}

static struct outcome train_once(void)
{
    return train_with((struct mien_span){NULL, 0});
}

static bool is_zero(const struct outcome *o)
{
    for (uint32_t i = 0; i < o->params.dim; i++) {
        if (o->vector[i] != 0)
            return false;
    }
    return true;
}

static void every_family_gives_a_vector_within_its_bounds(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        use_family((enum mien_family)family);
        struct outcome o = train_once();
        assert_int_equal(o.note, MIEN_CLIENT_NOTE_NONE);
        assert_int_equal(o.params.n_update, mien_plan_n_shared(&s.plan));
        assert_false(is_zero(&o));
        assert_true(mien_quantise_holds(&o.params, o.vector));
        assert_false(o.kept);
        mien_free(o.vector);
    }
}

static void too_few_examples_show_in_no_familys_slices(void **state)
{
    (void)state;
    for (int family = MIEN_FAMILY_GAN; family <= MIEN_FAMILY_MOMENTS; family++) {
        use_family((enum mien_family)family);
        s.n_examples = 4;
        struct outcome enough = train_once();
        s.n_examples = 3;
        struct outcome few = train_once();
        assert_int_equal(few.note, MIEN_CLIENT_NOTE_FEW);
        assert_true(is_zero(&few));
        assert_int_equal(few.n_slices, enough.n_slices);
        mien_free(enough.vector);
        mien_free(few.vector);
    }
}

static const char *nothing(void *self, size_t index, const char *name)
{
    (void)self;
    (void)index;
    (void)name;
    return NULL;
}

static void an_example_without_text_is_none(void **state)
{
    (void)state;
    use_family(MIEN_FAMILY_CHARLM);
    s.config.host.examples.attribute = nothing;
    struct outcome o = train_once();
    assert_int_equal(o.note, MIEN_CLIENT_NOTE_FEW);
    assert_true(is_zero(&o));
    mien_free(o.vector);
    s.config.host.examples.attribute = NULL;
    o = train_once();
    assert_int_equal(o.note, MIEN_CLIENT_NOTE_FEW);
    mien_free(o.vector);
}

static void labels_that_are_unknown_teach_a_classifier_nothing(void **state)
{
    (void)state;
    use_family(MIEN_FAMILY_CLASSIFIER);
    s.config.host.examples.attribute = nothing;
    struct outcome o = train_once();
    assert_int_equal(o.note, MIEN_CLIENT_NOTE_NONE);
    for (uint32_t i = 0; i < o.params.n_update; i++)
        assert_int_equal(o.vector[i], 0);
    mien_free(o.vector);
}

static void use_kept_encoder(void)
{
    use_family(MIEN_FAMILY_VAE);
    s.plan.share = MIEN_PLAN_SHARE_DECODER;
    scripted_use_plan(&s);
}

static void a_kept_encoder_is_begun_with(void **state)
{
    (void)state;
    use_kept_encoder();
    const size_t bytes = 4 * (size_t)mien_plan_n_private(&s.plan);
    struct outcome first = train_once();
    assert_true(first.kept);
    assert_memory_not_equal(first.own, s.model_bytes.data, bytes);
    struct outcome second = train_with((struct mien_span){first.own, bytes});
    assert_memory_not_equal(first.vector, second.vector, first.params.dim * sizeof(int32_t));
    /* The same as if the served model had had this encoder. */
    memcpy(s.model_bytes.data, first.own, bytes);
    struct outcome third = train_once();
    assert_memory_equal(second.vector, third.vector, first.params.dim * sizeof(int32_t));
    assert_memory_equal(second.own, third.own, bytes);
    mien_free(first.vector);
    mien_free(second.vector);
    mien_free(third.vector);
}

static void a_zero_vector_keeps_the_encoder_as_it_was(void **state)
{
    (void)state;
    use_kept_encoder();
    s.n_examples = 1;
    struct outcome o = train_once();
    assert_true(is_zero(&o));
    assert_false(o.kept);
    mien_free(o.vector);
}

/* A host that keeps what a device hands it. */
static uint8_t kept[8192];
static size_t n_kept;
static size_t n_loads;

static enum mien_status load_own(void *self, uint8_t *bytes, size_t cap, size_t *len)
{
    (void)self;
    n_loads++;
    *len = n_kept <= cap ? n_kept : 0;
    memcpy(bytes, kept, *len);
    return MIEN_OK;
}

static enum mien_status save_own(void *self, struct mien_span bytes)
{
    (void)self;
    assert_true(bytes.len <= sizeof(kept));
    memcpy(kept, bytes.data, bytes.len);
    n_kept = bytes.len;
    return MIEN_OK;
}

static void one_round(uint64_t round)
{
    scripted_start(&s);
    scripted_check_in(&s);
    scripted_train(&s, round, round + 1);
    mien_client_core_free(s.core);
    s.core = NULL;
}

static void a_device_keeps_its_encoder_through_its_host(void **state)
{
    (void)state;
    use_kept_encoder();
    s.config.host.load_own = load_own;
    s.config.host.save_own = save_own;
    n_kept = n_loads = 0;
    one_round(1);
    assert_int_equal(n_loads, 1);
    assert_int_equal(n_kept, 40 + 4 * mien_plan_n_private(&s.plan));
    assert_memory_equal(kept, "mienown\1", 8);
    assert_memory_equal(kept + 8, s.plan_hash, 32);
    uint8_t before[sizeof(kept)];
    memcpy(before, kept, sizeof(kept));
    one_round(2);
    assert_int_equal(n_loads, 2);
    assert_memory_not_equal(kept + 40, before + 40, n_kept - 40);
    /* Another plan's is passed over: the device begins at the served model. */
    kept[8] ^= 1;
    one_round(3);
    assert_memory_equal(kept + 8, s.plan_hash, 32);
}

static void a_host_without_a_place_for_it_refuses_the_plan(void **state)
{
    (void)state;
    use_kept_encoder();
    struct mien_message assign = scripted_assign(&s, 1, 1, 2);

    scripted_start(&s);
    scripted_check_in(&s);
    scripted_tell(&s, &assign);
    scripted_serve(&s, 60000);
    scripted_expect_refusal(&s, MIEN_MESSAGE_ERROR_POLICY);
    assert_non_null(strstr(mien_client_core_explain(s.core), "no place for it"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_family_gives_a_vector_within_its_bounds),
        TEST(too_few_examples_show_in_no_familys_slices),
        TEST(an_example_without_text_is_none),
        TEST(labels_that_are_unknown_teach_a_classifier_nothing),
        TEST(a_kept_encoder_is_begun_with),
        TEST(a_zero_vector_keeps_the_encoder_as_it_was),
        TEST(a_device_keeps_its_encoder_through_its_host),
        TEST(a_host_without_a_place_for_it_refuses_the_plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
