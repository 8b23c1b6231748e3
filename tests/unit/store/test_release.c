// SPDX-License-Identifier: Apache-2.0
/* Generated sets: each way to make one say what the ledger does not. */
#include "server/store/release.h"

#include "server/store/public_chain.h"
#include "server/store/store_internal.h"
#include "tests/unit/store/release_fixture.h"

static void a_set_holds_until_any_of_its_files_is_changed(void **state)
{
    struct at *at = *state;
    static const char *const names[] = {"0.png", "metadata.jsonl", "release.json", "ledger.chain"};
    struct mien_buf bytes = {0};

    write_true_set(at);
    assert_sound(at);
    for (size_t f = 0; f < 4; f++) {
        for (size_t part = 1; part < 8; part++) {
            read_file(at->set, names[f], &bytes);
            bytes.data[bytes.len * part / 8] ^= 1;
            write_file(at->set, names[f], &bytes);
            struct mien_verify verify = verify_set(at);
            assert_true(verify.n_problems > 0);
            mien_verify_fini(&verify);
            bytes.data[bytes.len * part / 8] ^= 1;
            write_file(at->set, names[f], &bytes);
        }
    }
    assert_sound(at);
    mien_buf_fini(&bytes);
}

static void it_costs_what_the_ledger_says(void **state)
{
    struct at *at = *state;
    struct mien_dp_cost cost;
    double delta = 0.0;

    write_true_set(at);
    struct mien_verify verify = verify_set(at);
    assert_int_equal(mien_store_cost(at->state->store, &cost, &delta, NULL), MIEN_OK);
    assert_true(cost.epsilon > 0.0);
    assert_true(verify.cost.epsilon == cost.epsilon);
    assert_true(verify.card.epsilon == cost.epsilon);
    assert_true(verify.cost.epsilon_witness == cost.epsilon_witness);
    assert_true(verify.delta == delta);
    assert_int_equal(verify.n_entries, mien_store_mark(at->state->store).seq + 1);
    mien_verify_fini(&verify);
}

static void every_byte_of_a_release_is_signed(void **state)
{
    struct at *at = *state;
    struct mien_buf text = {0};
    struct mien_buf card = {0};
    struct mien_card read;
    struct mien_release_set set;

    write_true_set(at);
    read_file(at->set, "release.json", &text);
    assert_int_equal(mien_buf_append_u8(&text, 0), MIEN_OK);
    for (size_t i = 0; i < text.len; i++) {
        /* All bytes but one, then none changed. */
        const bool last = i + 1 == text.len;

        text.data[i] ^= last ? 0 : 1;
        enum mien_status status =
            mien_release_read((const char *)text.data, &read, &card, &set, NULL);
        assert_true((status == MIEN_OK) == last);
        text.data[i] ^= last ? 0 : 1;
        mien_buf_fini(&card);
    }
    assert_true(set.seed == UINT64_MAX);
    mien_buf_fini(&text);
}

static void a_signed_card_in_another_spelling_is_refused(void **state)
{
    struct at *at = *state;
    struct mien_release release = begin(at, 1);
    struct mien_buf text = {0};
    struct mien_card card;
    struct mien_err err = {0};
    char hex[129];

    /* JSON readers take the last of two members, people the first: signed or not, it is none. */
    const size_t n =
        (size_t)(strstr(card_text(&release), ",\n  \"ledger_signature\"") - card_text(&release));
    assert_int_equal(mien_buf_append(&text, release.card.data, n), MIEN_OK);
    assert_int_equal(mien_buf_printf(&text, ",\n  \"epsilon\": 0.1"), MIEN_OK);
    assert_int_equal(mien_card_sign(signing_seed(at), "mien card v1", mien_buf_span(&text), hex),
                     MIEN_OK);
    assert_int_equal(mien_buf_printf(&text, ",\n  \"ledger_signature\": \"%s\"\n}\n", hex),
                     MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&text, 0), MIEN_OK);
    assert_int_equal(mien_card_read((const char *)text.data, &card, &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "another way"));
    mien_buf_fini(&text);
    mien_release_fini(&release);
}

static void an_understated_epsilon_is_found_though_it_is_signed(void **state)
{
    struct at *at = *state;
    struct mien_release release = begin(at, 1);
    struct mien_card card = card_of(&release);
    struct mien_buf png = {0};

    card.epsilon *= 0.999;
    reseal(at, &release, &card);
    encode(&release, 7, &png);
    write_set(at, &release, &png);
    assert_found(at, "claims epsilon");
    mien_release_fini(&release);

    release = begin(at, 1);
    card = card_of(&release);
    card.epsilon_witness *= 0.999;
    reseal(at, &release, &card);
    png.len = 0;
    encode(&release, 7, &png);
    write_set(at, &release, &png);
    assert_found(at, "claims epsilon_witness");
    mien_buf_fini(&png);
    mien_release_fini(&release);
}

static void a_release_that_says_what_the_ledger_does_not_is_found(void **state)
{
    struct at *at = *state;
    struct mien_buf png = {0};

    for (int lie = 0; lie < 5; lie++) {
        struct mien_release release = begin(at, 1);
        struct mien_card card = card_of(&release);

        card.events[0].releases -= lie == 0;             /* a charge hidden */
        card.events[0].mechanism.sigma2_num += lie == 1; /* more noise than there was */
        card.model_hash[0] ^= lie == 2;                  /* another model */
        card.plan.cohort += lie == 3;
        card.mark.seq -= lie == 4; /* an earlier place */
        reseal(at, &release, &card);
        png.len = 0;
        encode(&release, 7, &png);
        write_set(at, &release, &png);
        assert_found(at, "does not say what the ledger says");
        mien_release_fini(&release);
    }
    mien_buf_fini(&png);
}

static void a_chain_that_was_cut_or_reordered_is_found(void **state)
{
    struct at *at = *state;
    struct mien_buf chain = {0};
    struct mien_reader reader;
    size_t start[64];
    size_t n = 0;

    write_true_set(at);
    read_file(at->set, "ledger.chain", &chain);
    reader = (struct mien_reader){.rest = mien_buf_span(&chain)};
    (void)mien_read_bytes(&reader, strlen("mien-chain 1\n"));
    while (reader.rest.len > 0) {
        assert_true(n < 64);
        start[n++] = chain.len - reader.rest.len;
        (void)mien_read_bytes(&reader, mien_read_be32(&reader));
        (void)mien_read_bytes(&reader, 64);
    }
    /* The last entries are missing: a chain that is sound, but not up to the head. */
    const size_t whole = chain.len;
    chain.len = start[n - 1];
    write_file(at->set, "ledger.chain", &chain);
    assert_found(at, "ledger.chain: ");
    chain.len = start[n - 1] + 9; /* in the middle of one */
    write_file(at->set, "ledger.chain", &chain);
    assert_found(at, "it is cut");
    /* Two rounds change places. */
    chain.len = start[4];
    struct mien_buf swapped = {0};
    assert_int_equal(mien_buf_append(&swapped, chain.data, start[4]), MIEN_OK);
    assert_int_equal(mien_buf_append(&swapped, chain.data + start[7], start[10] - start[7]),
                     MIEN_OK);
    assert_int_equal(mien_buf_append(&swapped, chain.data + start[4], start[7] - start[4]),
                     MIEN_OK);
    assert_int_equal(mien_buf_append(&swapped, chain.data + start[10], whole - start[10]), MIEN_OK);
    write_file(at->set, "ledger.chain", &swapped);
    assert_found(at, "entry 7 follows entry 3");
    mien_buf_fini(&chain);
    mien_buf_fini(&swapped);
}

static void a_chain_signed_by_somebody_else_is_found(void **state)
{
    struct at *at = *state;
    struct mien_buf chain = {0};
    struct mien_public_chain found;
    struct mien_err err = {0};
    const uint8_t none[32] = {0};

    write_true_set(at);
    read_file(at->set, "ledger.chain", &chain);
    chain.data[chain.len - 1] ^= 1; /* the last signature */
    assert_int_equal(mien_public_chain_read(mien_buf_span(&chain), none, &found, &err),
                     MIEN_ECORRUPT);
    assert_non_null(strstr(err.text, "signature does not hold"));
    write_file(at->set, "ledger.chain", &chain);
    assert_found(at, "signature does not hold");
    mien_buf_fini(&chain);
}

static void a_model_that_the_ledger_does_not_name_is_not_signed(void **state)
{
    struct at *at = *state;
    const struct mien_release_request request = {.about = {1}};
    struct mien_release release;
    struct mien_card card;

    assert_int_equal(
        mien_release_begin(at->state->store, signing_seed(at), &request, &release, NULL),
        MIEN_ENOTFOUND);
    assert_int_equal(mien_release_begin_alone(&request, &release), MIEN_OK);
    assert_null(strstr(card_text(&release), "epsilon"));
    assert_int_equal(mien_card_read(card_text(&release), &card, NULL), MIEN_OK);
    assert_false(card.has_ledger);
    struct mien_buf png = {0};
    encode(&release, 1, &png);
    write_set(at, &release, &png);
    assert_found(at, "nothing is promised");
    mien_buf_fini(&png);
    mien_release_fini(&release);
}

static void the_same_request_gives_the_same_bytes_and_another_does_not(void **state)
{
    struct at *at = *state;
    struct mien_release one = begin(at, 1);
    struct mien_release again = begin(at, 1);
    struct mien_release other = begin(at, 2);

    assert_string_equal(card_text(&one), card_text(&again));
    assert_memory_equal(one.set_seed, again.set_seed, 32);
    assert_memory_not_equal(one.set_seed, other.set_seed, 32);
    assert_memory_not_equal(card_of(&one).release_id, card_of(&other).release_id, 16);
    mien_release_fini(&one);
    mien_release_fini(&again);
    mien_release_fini(&other);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_set_holds_until_any_of_its_files_is_changed),
        TEST(it_costs_what_the_ledger_says),
        TEST(every_byte_of_a_release_is_signed),
        TEST(a_signed_card_in_another_spelling_is_refused),
        TEST(an_understated_epsilon_is_found_though_it_is_signed),
        TEST(a_release_that_says_what_the_ledger_does_not_is_found),
        TEST(a_chain_that_was_cut_or_reordered_is_found),
        TEST(a_chain_signed_by_somebody_else_is_found),
        TEST(a_model_that_the_ledger_does_not_name_is_not_signed),
        TEST(the_same_request_gives_the_same_bytes_and_another_does_not),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
