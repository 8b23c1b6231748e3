// SPDX-License-Identifier: Apache-2.0
#include "common/base/bytes.h"
#include "common/base/mem.h"
#include "common/nn/safetensors.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

/* A file of a header's text and n bytes of data, all zero. */
static struct mien_buf file_of(const char *header, size_t n_data)
{
    static const uint8_t zeros[64];
    struct mien_buf out = {0};
    uint8_t prefix[8];

    mien_store_le64(prefix, strlen(header));
    assert_int_equal(mien_buf_append(&out, prefix, sizeof(prefix)), MIEN_OK);
    assert_int_equal(mien_buf_append(&out, header, strlen(header)), MIEN_OK);
    assert_int_equal(mien_buf_append(&out, zeros, n_data), MIEN_OK);
    return out;
}

static void expect_refused(const char *header, size_t n_data, const char *culprit)
{
    struct mien_buf bytes = file_of(header, n_data);
    struct mien_safetensors *file = NULL;
    struct mien_err err = {0};

    assert_int_not_equal(mien_safetensors_open(mien_buf_span(&bytes), &file, &err), MIEN_OK);
    assert_null(file);
    if (strstr(err.text, culprit) == NULL)
        fail_msg("\"%s\" does not name %s", err.text, culprit);
    mien_buf_fini(&bytes);
}

static void expect_opens(const char *header, size_t n_data)
{
    struct mien_buf bytes = file_of(header, n_data);
    struct mien_safetensors *file = NULL;

    assert_int_equal(mien_safetensors_open(mien_buf_span(&bytes), &file, NULL), MIEN_OK);
    mien_safetensors_free(file);
    mien_buf_fini(&bytes);
}

static const float weights[6] = {0.0f, 1.0f, -2.5f, 3.0e-38f, 1.0e30f, -0.0f};
static const float bias[2] = {0.25f, -0.125f};
static const struct mien_safetensors_pair pairs[2] = {{"mien_plan", "AB_-"},
                                                      {"note", "two\nlines, \"quoted\" \\ back"}};

static struct mien_buf sample(void)
{
    const struct mien_safetensors_item items[2] = {{"d.0.weight", mien_shape2(3, 2), weights},
                                                   {"d.0.bias", mien_shape1(2), bias}};
    struct mien_buf out = {0};

    assert_int_equal(mien_safetensors_encode(items, 2, pairs, 2, &out), MIEN_OK);
    return out;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct mien_buf bytes = sample();
    struct mien_safetensors *file = NULL;
    const struct mien_shape w_shape = mien_shape2(3, 2);
    const struct mien_shape b_shape = mien_shape1(2);
    float w[6];
    float b[2];

    assert_int_equal(mien_safetensors_open(mien_buf_span(&bytes), &file, NULL), MIEN_OK);
    assert_int_equal(mien_safetensors_n_tensors(file), 2);
    assert_string_equal(mien_safetensors_metadata(file, pairs[0].key), pairs[0].value);
    assert_string_equal(mien_safetensors_metadata(file, pairs[1].key), pairs[1].value);
    assert_null(mien_safetensors_metadata(file, "other"));
    assert_int_equal(mien_safetensors_read(file, "d.0.weight", &w_shape, w, NULL), MIEN_OK);
    assert_int_equal(mien_safetensors_read(file, "d.0.bias", &b_shape, b, NULL), MIEN_OK);
    assert_memory_equal(w, weights, sizeof(w));
    assert_memory_equal(b, bias, sizeof(b));
    mien_safetensors_free(file);
    mien_buf_fini(&bytes);
}

/* The layout that the format's description gives, byte by byte. */
static void a_small_file_has_exactly_these_bytes(void **state)
{
    (void)state;
    static const char header[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}  ";
    const float one = 1.0f;
    const struct mien_safetensors_item item = {"a", mien_shape1(1), &one};
    struct mien_buf expected = {0};
    struct mien_buf bytes = {0};
    uint8_t prefix[8];

    assert_int_equal((sizeof(header) - 1) % 8, 0);
    mien_store_le64(prefix, sizeof(header) - 1);
    assert_int_equal(mien_buf_append(&expected, prefix, 8), MIEN_OK);
    assert_int_equal(mien_buf_append(&expected, header, sizeof(header) - 1), MIEN_OK);
    assert_int_equal(mien_buf_append(&expected, "\x00\x00\x80\x3f", 4), MIEN_OK);
    assert_int_equal(mien_safetensors_encode(&item, 1, NULL, 0, &bytes), MIEN_OK);
    assert_int_equal(bytes.len, expected.len);
    assert_memory_equal(bytes.data, expected.data, expected.len);
    mien_buf_fini(&bytes);
    mien_buf_fini(&expected);
}

#define ONE(name, offsets)                                                                         \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" offsets "}"

static void other_writers_spellings_are_read(void **state)
{
    (void)state;
    expect_opens("{" ONE("b", "[8,16]") "," ONE("a", "[0,8]") "}", 16);
    expect_opens(" { \"a\" : { \"data_offsets\" : [ 0 , 4 ] , \"shape\" : [1] ,"
                 " \"dtype\" : \"F32\" } } \n",
                 4);
    expect_opens("{\"__metadata__\":{\"a\\u00e9\":\"\\t\"}," ONE("a", "[0,8]") "}", 8);
    expect_opens("{}", 0);
}

/* What PyTorch's own models hold beside weights: counters, scalars, empty tensors. */
static void tensors_of_other_types_stand_beside_unread(void **state)
{
    (void)state;
    struct mien_buf bytes =
        file_of("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
                "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                "\"e\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[8,8]},"
                "\"h\":{\"dtype\":\"BF16\",\"shape\":[1,1,1,1,1,3],"
                "\"data_offsets\":[16,22]},"
                "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[22,26]}}",
                26);
    struct mien_safetensors *file = NULL;
    struct mien_shape shape;
    struct mien_err err = {0};
    float w[2];

    assert_int_equal(mien_safetensors_open(mien_buf_span(&bytes), &file, NULL), MIEN_OK);
    assert_int_equal(mien_safetensors_shape(file, "w", &shape, NULL), MIEN_OK);
    assert_int_equal(shape.n_axes, 1);
    assert_int_equal(mien_safetensors_read(file, "w", &shape, w, NULL), MIEN_OK);
    assert_int_equal(mien_safetensors_shape(file, "n", &shape, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "\"n\" is one of I64, expected F32"));
    assert_int_equal(mien_safetensors_shape(file, "e", &shape, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "3 x 0 of F32"));
    assert_int_equal(mien_safetensors_shape(file, "h", &shape, NULL), MIEN_EINVAL);
    assert_int_equal(mien_safetensors_shape(file, "s", &shape, NULL), MIEN_EINVAL);
    assert_int_equal(mien_safetensors_shape(file, "x", &shape, NULL), MIEN_ENOTFOUND);
    mien_safetensors_free(file);
    mien_buf_fini(&bytes);
}

static void lies_about_offsets_are_refused(void **state)
{
    (void)state;
    expect_refused("{" ONE("a", "[0,8]") "," ONE("b", "[4,12]") "}", 12, "\"b\" begins");
    expect_refused("{" ONE("a", "[0,8]") "," ONE("b", "[12,20]") "}", 20, "hole");
    expect_refused("{" ONE("a", "[0,8]") "}", 12, "the file has 12");
    expect_refused("{" ONE("a", "[0,8]") "}", 4, "the file has 4");
    expect_refused("{" ONE("a", "[8,0]") "}", 8, "\"a\"");
    expect_refused("{" ONE("a", "[0,12]") "}", 12, "\"a\"");
    expect_refused("{" ONE("a", "[0,99999999999999999999]") "}", 8, "number");
    expect_refused("{" ONE("a", "[9223372036854775800,9223372036854775808]") "}", 8, "");
}

static void malformed_headers_are_refused(void **state)
{
    (void)state;
    expect_refused("", 0, "'{'");
    expect_refused("[]", 0, "'{'");
    expect_refused("{" ONE("a", "[0,8]"), 8, "','");
    expect_refused("{" ONE("a", "[0,8]") "} x", 8, "follows");
    expect_refused("{" ONE("a", "[0,8]") "," ONE("a", "[8,16]") "}", 16, "twice");
    expect_refused("{\"a\":{\"dtype\":\"F23\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
                   "\"F23\"");
    expect_refused("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F64");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,4]}}", 4, "\"a\"");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]}}", 0, "\"a\"");
    expect_refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
        "axes");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1073741825],\"data_offsets\":[0,4]}}", 4,
                   "axis");
    expect_refused("{\"a\":{\"dtype\":\"F64\",\"shape\":[1073741824,1073741824,8],"
                   "\"data_offsets\":[0,0]}}",
                   0, "1073741824 x 1073741824 x 8 values of F64"); /* 2^66 bytes: 0 mod 2^64 */
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
                   "number");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", 4,
                   "number");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}}", 4, "dtype");
    expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "','");
    expect_refused("{\"__metadata__\":{\"k\":1}}", 0, "'\"'");
    expect_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ stands twice");
    expect_refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "\"k\" stands twice");
    expect_refused("{\"a\\u0000\":", 0, "NUL");
    expect_refused("{\"a\\ud800\":", 0, "surrogate");
    expect_refused("{\"a\\x\":", 0, "escape");
    expect_refused("{\"a\\", 0, "without end");
    expect_refused("{\"a\\u00", 0, "escape");
    expect_refused("{\"a\n\":", 0, "control");
}

static void a_cut_file_is_refused_at_every_length(void **state)
{
    (void)state;
    struct mien_buf bytes = sample();

    for (size_t n = 0; n < bytes.len; n++) {
        struct mien_safetensors *file = NULL;
        /* A copy of its own size, so that a read behind its end is seen by the sanitiser. */
        uint8_t *cut = mien_memdup(bytes.data, n);

        assert_int_not_equal(mien_safetensors_open((struct mien_span){cut, n}, &file, NULL),
                             MIEN_OK);
        mien_free(cut);
    }
    mien_buf_fini(&bytes);
}

static void a_header_length_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[16];
    struct mien_safetensors *file = NULL;

    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(mien_safetensors_open((struct mien_span){bytes, sizeof(bytes)}, &file, NULL),
                     MIEN_ELIMIT);
}

static void reads_of_other_shapes_and_of_nan_are_refused(void **state)
{
    (void)state;
    const float bad[2] = {1.0f, NAN};
    const struct mien_safetensors_item item = {"a", mien_shape1(2), bad};
    const struct mien_shape two = mien_shape1(2);
    const struct mien_shape other = mien_shape2(1, 2);
    struct mien_buf bytes = {0};
    struct mien_safetensors *file = NULL;
    struct mien_err err = {0};
    float values[2];

    assert_int_equal(mien_safetensors_encode(&item, 1, NULL, 0, &bytes), MIEN_OK);
    assert_int_equal(mien_safetensors_open(mien_buf_span(&bytes), &file, NULL), MIEN_OK);
    assert_int_equal(mien_safetensors_read(file, "a", &two, values, &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "value 1 of tensor \"a\""));
    assert_int_equal(mien_safetensors_read(file, "a", &other, values, &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "is 2, expected 1 x 2"));
    assert_int_equal(mien_safetensors_read(file, "b", &two, values, &err), MIEN_ENOTFOUND);
    mien_safetensors_free(file);
    mien_buf_fini(&bytes);
}

static void opening_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct mien_buf bytes = sample();
    struct mien_safetensors *file = NULL;
    const long live = mien_mem_live();

    for (long k = 0; file == NULL; k++) {
        mien_mem_fail_at(k);
        enum mien_status status = mien_safetensors_open(mien_buf_span(&bytes), &file, NULL);
        assert_int_equal(status, file == NULL ? MIEN_ENOMEM : MIEN_OK);
    }
    mien_mem_fail_at(-1);
    mien_safetensors_free(file);
    assert_int_equal(mien_mem_live(), live);
    mien_buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_small_file_has_exactly_these_bytes),
        cmocka_unit_test(other_writers_spellings_are_read),
        cmocka_unit_test(tensors_of_other_types_stand_beside_unread),
        cmocka_unit_test(lies_about_offsets_are_refused),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(a_cut_file_is_refused_at_every_length),
        cmocka_unit_test(a_header_length_beyond_the_limit_is_refused),
        cmocka_unit_test(reads_of_other_shapes_and_of_nan_are_refused),
        cmocka_unit_test(opening_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
