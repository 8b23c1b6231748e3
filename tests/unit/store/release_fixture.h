/* A state directory with three releases and sets from it, for tests. */
#ifndef MIEN_TESTS_UNIT_STORE_RELEASE_FIXTURE_H
#define MIEN_TESTS_UNIT_STORE_RELEASE_FIXTURE_H

#include "tests/unit/store/state_fixture.h"

#include "common/base/text.h"
#include "server/store/picture.h"
#include "server/store/release.h"
#include "server/store/verify.h"

struct at {
    char dir[64];
    char set[64];
    struct mien_statedir *state;
};

/* One directory with three releases for all tests, a set for each. */
static inline int setup_group(void **state)
{
    struct at *at = mien_calloc(1, sizeof(*at));

    assert_non_null(at);
    fixture_path(at->dir);
    fixture_state(at->dir);
    at->state = fixture_state_open(at->dir);
    (void)fixture_start(at->state->store);
    for (int i = 0; i < 3; i++)
        fixture_state_round(at->state);
    *state = at;
    return 0;
}

static inline int teardown_group(void **state)
{
    struct at *at = *state;

    fixture_state_close(at->state);
    fixture_remove(at->dir);
    mien_free(at);
    return 0;
}

static inline int setup(void **state)
{
    fixture_path(((struct at *)*state)->set);
    return 0;
}

static inline int teardown(void **state)
{
    fixture_remove(((struct at *)*state)->set);
    return 0;
}

/* ---- making a set ---- */

static inline const uint8_t *signing_seed(const struct at *at)
{
    return at->state->pki.signing_seed;
}

static inline struct mien_release_request request_of(const struct at *at, uint8_t about)
{
    struct mien_release_request request = {.about = {about}};

    memcpy(request.file_digest, mien_store_latest(at->state->store).file_digest, 32);
    return request;
}

static inline struct mien_release begin(const struct at *at, uint8_t about)
{
    const struct mien_release_request request = request_of(at, about);
    struct mien_release release;
    struct mien_err err = {0};

    if (mien_release_begin(at->state->store, signing_seed(at), &request, &release, &err) != MIEN_OK)
        fail_msg("%s", err.text);
    return release;
}

static inline const char *card_text(const struct mien_release *release)
{
    return (const char *)release->card.data;
}

/* The same set with another card, sealed by the true ledger key: what a dishonest operator or a
 * broken program could sign. */
static inline void reseal(const struct at *at, struct mien_release *release,
                          const struct mien_card *card)
{
    release->card.len = 0;
    assert_int_equal(mien_card_seal(card, signing_seed(at), &release->card), MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&release->card, 0), MIEN_OK);
}

static inline struct mien_card card_of(const struct mien_release *release)
{
    struct mien_card card;

    assert_int_equal(mien_card_read(card_text(release), &card, NULL), MIEN_OK);
    return card;
}

static inline void write_file(const char *dir, const char *name, const struct mien_buf *bytes)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(mien_file_replace(path, mien_buf_span(bytes), 0600, NULL), MIEN_OK);
}

static inline void read_file(const char *dir, const char *name, struct mien_buf *out)
{
    char path[128];

    out->len = 0;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(mien_file_read(path, 1 << 20, out, NULL), MIEN_OK);
}

static inline struct mien_image image_of(uint8_t *pixels)
{
    return (struct mien_image){4, 4, 3, pixels};
}

static inline void encode(const struct mien_release *release, uint8_t value, struct mien_buf *png)
{
    uint8_t pixels[48];
    const struct mien_image image = image_of(pixels);

    memset(pixels, value, sizeof(pixels));
    assert_int_equal(mien_picture_encode(&image, card_text(release), release->set_seed, png),
                     MIEN_OK);
}

/* A set of one picture. */
static inline void write_set(const struct at *at, const struct mien_release *release,
                             const struct mien_buf *png)
{
    struct mien_release_set set = {.n_images = 1, .seed = UINT64_MAX};
    struct mien_buf metadata = {0};
    struct mien_buf text = {0};
    uint8_t digest[32];
    char hex[65];

    assert_int_equal(mien_digest(mien_buf_span(png), digest), MIEN_OK);
    mien_hex(digest, 32, hex);
    assert_int_equal(
        mien_buf_printf(&metadata, "{\"file_name\":\"0.png\",\"sha256\":\"%s\"}\n", hex), MIEN_OK);
    assert_int_equal(mien_digest(mien_buf_span(&metadata), set.metadata_digest), MIEN_OK);
    assert_int_equal(mien_release_write(release, &set, &text), MIEN_OK);
    write_file(at->set, "0.png", png);
    write_file(at->set, "metadata.jsonl", &metadata);
    write_file(at->set, "ledger.chain", &release->chain);
    write_file(at->set, "release.json", &text);
    mien_buf_fini(&metadata);
    mien_buf_fini(&text);
}

static inline void write_true_set(const struct at *at)
{
    struct mien_release release = begin(at, 1);
    struct mien_buf png = {0};

    encode(&release, 7, &png);
    write_set(at, &release, &png);
    mien_buf_fini(&png);
    mien_release_fini(&release);
}

/* ---- judging one ---- */

static inline struct mien_verify verify_set(const struct at *at)
{
    struct mien_verify verify;

    assert_int_equal(mien_verify_release(at->set, &verify, NULL), MIEN_OK);
    return verify;
}

static inline void assert_sound(const struct at *at)
{
    struct mien_verify verify = verify_set(at);

    if (verify.n_problems > 0)
        fail_msg("%s", verify.problems[0]);
    mien_verify_fini(&verify);
}

static inline void assert_found(const struct at *at, const char *text)
{
    struct mien_verify verify = verify_set(at);
    bool found = false;

    for (size_t i = 0; i < verify.n_problems; i++)
        found = found || strstr(verify.problems[i], text) != NULL;
    if (!found)
        fail_msg("no problem says \"%s\"; the first of %zu: %s", text, verify.n_problems,
                 verify.n_problems > 0 ? verify.problems[0] : "none");
    mien_verify_fini(&verify);
}

#endif
