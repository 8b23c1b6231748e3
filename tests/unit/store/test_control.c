// SPDX-License-Identifier: Apache-2.0
#include "server/store/control.h"

#include "common/base/text.h"
#include "common/wire/token.h"
#include "server/store/release.h"
#include "server/store/verify.h"
#include "tests/unit/store/state_fixture.h"

#include <cjson/cJSON.h>

#define NOW INT64_C(1700000000)

struct at {
    char dir[64];
    struct mien_statedir *state;
    struct mien_rng rng;
    uint8_t revoked[16];
    size_t n_revoked;
};

static int setup(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));

    assert_non_null(at);
    at->rng = mien_rng_system();
    fixture_path(at->dir);
    fixture_state(at->dir);
    at->state = fixture_state_open(at->dir);
    *state = at;
    return 0;
}

static int teardown(void **state)
{
    struct at *at = *state;

    fixture_state_close(at->state);
    fixture_remove(at->dir);
    mien_free(at);
    return 0;
}

static void note_revoked(void *self, const uint8_t id[16])
{
    struct at *at = self;

    memcpy(at->revoked, id, 16);
    at->n_revoked++;
}

/* One request; the reply is one line.  given: cJSON_Delete */
static cJSON *ask(struct at *at, const char *request, const struct mien_control_live *live)
{
    const struct mien_control control = {at->state, live, note_revoked, at, &at->rng, NOW};
    struct mien_buf reply = {0};
    cJSON *json;

    assert_int_equal(
        mien_control_handle(&control, (struct mien_span){(const uint8_t *)request, strlen(request)},
                            &reply),
        MIEN_OK);
    assert_true(reply.len > 0);
    assert_ptr_equal(memchr(reply.data, '\n', reply.len), reply.data + reply.len - 1);
    json = cJSON_ParseWithLength((const char *)reply.data, reply.len);
    assert_non_null(json);
    mien_buf_fini(&reply);
    return json;
}

static const cJSON *member(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    if (item == NULL)
        fail_msg("no \"%s\" in %s", name, cJSON_PrintUnformatted(json));
    return item;
}

static void status_has_the_keys_that_outside_readers_rely_on(void **state)
{
    struct at *at = *state;
    const struct mien_control_live live = {.running = true, .n_connected = 7, .phase = "waiting"};
    struct mien_store_counts counts = {.drawn = 5, .seconds = 2.5};
    cJSON *json = ask(at, "{\"cmd\":\"status\"}", NULL);

    assert_true(cJSON_IsNull(member(json, "last_round")));
    assert_string_equal(member(json, "phase")->valuestring, "stopped");
    cJSON_Delete(json);
    (void)fixture_start(at->state->store);
    fixture_state_round(at->state);
    assert_int_equal(
        mien_store_put_counts(at->state->store, (struct mien_store_round){1, 1}, &counts, NULL),
        MIEN_OK);
    json = ask(at, "{\"cmd\":\"status\"}\n", &live);
    assert_int_equal(member(json, "round")->valueint, 1);
    assert_int_equal(member(json, "model")->valueint, 1);
    assert_true(member(json, "epsilon")->valuedouble > 0.0);
    assert_true(member(json, "epsilon_witness")->valuedouble >=
                member(json, "epsilon")->valuedouble);
    assert_true(member(json, "delta")->valuedouble > 0.0);
    (void)member(json, "epsilon_cap");
    assert_int_equal(member(member(json, "devices"), "connected")->valueint, 7);
    assert_int_equal(member(member(json, "devices"), "enrolled")->valueint, 0);
    assert_int_equal(member(member(json, "last_round"), "drawn")->valueint, 5);
    (void)member(member(json, "last_round"), "assigned");
    (void)member(member(json, "last_round"), "reported");
    (void)member(member(json, "last_round"), "survived");
    assert_true(member(member(json, "last_round"), "seconds")->valuedouble == 2.5);
    cJSON_Delete(json);
}

static void tokens_say_where_to_go_and_are_all_different(void **state)
{
    struct at *at = *state;
    cJSON *json = ask(at, "{\"cmd\":\"token\",\"count\":3,\"ttl_s\":60,\"unit\":\"Anna\"}", NULL);
    const cJSON *tokens = member(json, "tokens");
    struct mien_token first;
    struct mien_token second;
    struct mien_store_token stored;

    assert_int_equal(cJSON_GetArraySize(tokens), 3);
    assert_int_equal(mien_token_decode(cJSON_GetArrayItem(tokens, 0)->valuestring, &first, NULL),
                     MIEN_OK);
    assert_int_equal(mien_token_decode(cJSON_GetArrayItem(tokens, 1)->valuestring, &second, NULL),
                     MIEN_OK);
    assert_memory_not_equal(first.secret, second.secret, sizeof(first.secret));
    assert_int_equal(first.port, at->state->config.enrol_port);
    assert_memory_equal(first.ca_fingerprint, at->state->pki.ca_fingerprint, 32);
    assert_int_equal(mien_store_token_find(at->state->store, first.secret, &stored, NULL), MIEN_OK);
    assert_string_equal(stored.unit_name, "Anna");
    assert_int_equal(stored.expires_s, NOW + 60);
    cJSON_Delete(json);
}

/* A refusal with this code. */
static void assert_refused(struct at *at, const char *request, const char *code)
{
    cJSON *json = ask(at, request, NULL);

    assert_true(cJSON_IsFalse(member(json, "ok")));
    assert_string_equal(member(json, "code")->valuestring, code);
    assert_true(strlen(member(json, "error")->valuestring) > 0);
    cJSON_Delete(json);
}

static void what_cannot_be_answered_is_said(void **state)
{
    struct at *at = *state;

    assert_refused(at, "", "MIEN_EPARSE");
    assert_refused(at, "{\"cmd\":", "MIEN_EPARSE");
    assert_refused(at, "[]", "MIEN_EPARSE");
    assert_refused(at, "{\"cmd\":7}", "MIEN_EPARSE");
    assert_refused(at, "{\"cmd\":\"statsu\"}", "MIEN_ENOTFOUND");
    assert_refused(at, "{\"cmd\":\"token\",\"count\":0}", "MIEN_EINVAL");
    assert_refused(at, "{\"cmd\":\"token\",\"count\":1.5}", "MIEN_EINVAL");
    assert_refused(at, "{\"cmd\":\"token\",\"count\":1001}", "MIEN_EINVAL");
    assert_refused(at, "{\"cmd\":\"token\",\"ttl_s\":1e99}", "MIEN_EINVAL");
    assert_refused(at, "{\"cmd\":\"token\",\"unit\":3}", "MIEN_EPARSE");
    assert_refused(at, "{\"cmd\":\"token\",\"unit\":\"\"}", "MIEN_EINVAL");
    assert_refused(at, "{\"cmd\":\"revoke\",\"device\":\"zz\"}", "MIEN_EPARSE");
    assert_refused(at, "{\"cmd\":\"revoke\",\"device\":\"00112233445566778899aabbccddeeff\"}",
                   "MIEN_ENOTFOUND");
    assert_refused(at, "{\"cmd\":\"release\",\"seed\":1}", "MIEN_EPARSE");
    assert_int_equal(at->n_revoked, 0);
}

static void a_revocation_reaches_the_daemon(void **state)
{
    struct at *at = *state;
    const struct mien_device device = {.id = {0xab, 1},
                                       .unit = {2},
                                       .unit_name = "Anna",
                                       .cert = {1},
                                       .cert_len = 1,
                                       .credential = {1},
                                       .credential_len = 1};
    uint8_t secret[MIEN_TOKEN_SECRET_BYTES];
    const uint8_t digest[32] = {1};
    cJSON *json;

    assert_int_equal(mien_store_token_new(at->state->store, NULL, NOW + 9, &at->rng, secret, NULL),
                     MIEN_OK);
    assert_int_equal(mien_store_token_use(at->state->store, secret, digest, &device, NULL),
                     MIEN_OK);
    json = ask(at, "{\"cmd\":\"revoke\",\"device\":\"ab010000000000000000000000000000\"}", NULL);
    assert_true(cJSON_IsTrue(member(json, "ok")));
    cJSON_Delete(json);
    assert_int_equal(at->n_revoked, 1);
    assert_memory_equal(at->revoked, device.id, 16);
    json = ask(at, "{\"cmd\":\"devices\"}", NULL);
    assert_int_equal(cJSON_GetArraySize(member(json, "devices")), 1);
    assert_true(cJSON_IsTrue(member(cJSON_GetArrayItem(member(json, "devices"), 0), "revoked")));
    cJSON_Delete(json);
}

static void a_copy_verifies_like_the_ledger(void **state)
{
    struct at *at = *state;
    char path[256];
    struct mien_verify verify;
    cJSON *json = ask(at, "{\"cmd\":\"copy\"}", NULL);

    assert_int_equal(mien_path_join(at->dir, member(json, "path")->valuestring, path, sizeof(path)),
                     MIEN_OK);
    assert_int_equal(mien_verify_state(at->dir, path, NULL, &verify, NULL), MIEN_OK);
    assert_int_equal(verify.n_problems, 0);
    assert_int_equal(verify.n_entries, 3);
    mien_verify_fini(&verify);
    cJSON_Delete(json);
}

static void a_release_is_given_with_its_ledger_and_key(void **state)
{
    struct at *at = *state;
    struct mien_store_model latest = mien_store_latest(at->state->store);
    char hex[65];
    char request[256];
    struct mien_card card;

    mien_hex(latest.file_digest, 32, hex);
    (void)snprintf(request, sizeof(request),
                   "{\"cmd\":\"release\",\"about_sha256\":\"%s\",\"model_file_sha256\":\"%s\"}",
                   hex, hex);
    cJSON *json = ask(at, request, NULL);
    assert_int_equal(mien_card_read(member(json, "card")->valuestring, &card, NULL), MIEN_OK);
    assert_true(card.has_ledger);
    assert_int_equal(card.version, 0);
    assert_memory_equal(card.signing_key, mien_store_genesis(at->state->store)->signing_key, 32);
    assert_int_equal(strlen(member(json, "set_seed")->valuestring), 64);
    assert_true(strlen(member(json, "chain")->valuestring) > 100);
    cJSON_Delete(json);
    (void)snprintf(request, sizeof(request),
                   "{\"cmd\":\"release\",\"about_sha256\":\"%s\",\"model_file_sha256\":\"00%s\"}",
                   hex, hex + 2);
    json = ask(at, request, NULL);
    assert_non_null(strstr(member(json, "error")->valuestring, "no such model"));
    cJSON_Delete(json);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(status_has_the_keys_that_outside_readers_rely_on),
        TEST(tokens_say_where_to_go_and_are_all_different),
        TEST(what_cannot_be_answered_is_said),
        TEST(a_revocation_reaches_the_daemon),
        TEST(a_copy_verifies_like_the_ledger),
        TEST(a_release_is_given_with_its_ledger_and_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
