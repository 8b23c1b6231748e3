// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/nn/generator.h"
#include "common/nn/name_map.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

/* Made by tests/vectors/torch_generator.py with PyTorch 1.13. */
#define VECTORS "tests/vectors/torch_generator"

/* The plan whose generator is that of the script. */
static struct mien_plan torch_plan(void)
{
    static const struct mien_layer layers[] = {
        {.kind = MIEN_LAYER_DENSE, .channels = 32},
        {.kind = MIEN_LAYER_RESHAPE, .height = 4, .width = 4, .channels = 2},
        {.kind = MIEN_LAYER_CONV_TRANSPOSED, .channels = 4, .kernel = 4, .stride = 2},
        {.kind = MIEN_LAYER_GROUP_NORM, .groups = 2},
        {.kind = MIEN_LAYER_LEAKY_RELU, .slope = 0.2},
        {.kind = MIEN_LAYER_UPSAMPLE},
        {.kind = MIEN_LAYER_CONV, .channels = 3, .kernel = 3, .stride = 1},
        {.kind = MIEN_LAYER_TANH},
    };
    struct mien_plan plan;

    assert_int_equal(mien_plan_preset("faces16", &plan, NULL), MIEN_OK);
    plan.latent = 6;
    plan.n_g_layers = sizeof(layers) / sizeof(layers[0]);
    memcpy(plan.g_layers, layers, sizeof(layers));
    return plan;
}

/* A model to import into, and the file. */
struct world {
    struct mien_plan plan;
    struct mien_layout layout;
    float *values;
    float *average;
    struct mien_buf bytes;
    struct mien_safetensors *file;
    struct mien_name_map_covered covered;
};

static void world_init(struct world *w)
{
    *w = (struct world){.plan = torch_plan()};
    assert_int_equal(mien_layout_init(&w->layout, &w->plan, NULL), MIEN_OK);
    w->values = mien_calloc(w->layout.n_values, sizeof(float));
    w->average = mien_calloc(w->layout.n_values - w->layout.n_d, sizeof(float));
    assert_non_null(w->values);
    assert_non_null(w->average);
    assert_int_equal(mien_file_read(VECTORS ".safetensors", 1 << 20, &w->bytes, NULL), MIEN_OK);
    assert_int_equal(mien_safetensors_open(mien_buf_span(&w->bytes), &w->file, NULL), MIEN_OK);
}

static void world_fini(struct world *w)
{
    mien_safetensors_free(w->file);
    mien_buf_fini(&w->bytes);
    mien_free(w->values);
    mien_free(w->average);
}

static enum mien_status import(struct world *w, const char *text, struct mien_err *err)
{
    const struct mien_name_map_model model = {&w->layout, w->values, w->average};
    const struct mien_span span = {(const uint8_t *)text, strlen(text)};
    struct mien_name_map *map = NULL;
    enum mien_status status = mien_name_map_parse(span, &map, err);

    if (status == MIEN_OK)
        status = mien_name_map_apply(map, w->file, &model, &w->covered, err);
    mien_name_map_free(map);
    return status;
}

static char *map_text(void)
{
    struct mien_buf text = {0};

    assert_int_equal(mien_file_read(VECTORS ".map", 1 << 16, &text, NULL), MIEN_OK);
    assert_int_equal(mien_buf_append_u8(&text, 0), MIEN_OK);
    return (char *)text.data;
}

static void a_generator_of_pytorch_draws_the_same_pictures(void **state)
{
    (void)state;
    const struct mien_shape latents = mien_shape2(2, 6);
    const struct mien_shape shape = mien_shape4(2, 16, 16, 3);
    struct world w;
    struct mien_generator *generator = NULL;
    const float *pictures = NULL;
    float expected[2 * 16 * 16 * 3];
    float greatest = 0.0f;
    char *map = map_text();

    world_init(&w);
    assert_int_equal(import(&w, map, NULL), MIEN_OK);
    assert_true(w.covered.second && !w.covered.first && !w.covered.average);
    assert_memory_equal(w.average, w.values + w.layout.n_d,
                        (w.layout.n_values - w.layout.n_d) * sizeof(float));
    assert_int_equal(mien_generator_new(&w.plan, 2, &generator), MIEN_OK);
    assert_int_equal(
        mien_safetensors_read(w.file, "latents", &latents, mien_generator_latents(generator), NULL),
        MIEN_OK);
    assert_int_equal(mien_safetensors_read(w.file, "pictures", &shape, expected, NULL), MIEN_OK);
    assert_int_equal(mien_generator_run(generator, w.values, &pictures), MIEN_OK);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        greatest = fmaxf(greatest, fabsf(pictures[i] - expected[i]));
    assert_true(greatest < 1e-5f);
    mien_generator_free(generator);
    world_fini(&w);
    mien_free(map);
}

/* One line changed in the good map: refused with that line's number and the culprit. */
static void expect_refused(const char *from, const char *to, const char *line, const char *culprit)
{
    struct world w;
    struct mien_err err = {0};
    struct mien_buf text = {0};
    char *map = map_text();
    const char *at = strstr(map, from);

    assert_non_null(at);
    assert_int_equal(mien_buf_append(&text, map, (size_t)(at - map)), MIEN_OK);
    assert_int_equal(mien_buf_append(&text, to, strlen(to)), MIEN_OK);
    assert_int_equal(mien_buf_append(&text, at + strlen(from), strlen(at + strlen(from)) + 1),
                     MIEN_OK);
    world_init(&w);
    assert_int_not_equal(import(&w, (const char *)text.data, &err), MIEN_OK);
    if (strstr(err.text, line) != err.text || strstr(err.text, culprit) == NULL)
        fail_msg("\"%s\" does not begin with \"%s\" or not name %s", err.text, line, culprit);
    world_fini(&w);
    mien_buf_fini(&text);
    mien_free(map);
}

static void a_map_error_names_line_and_culprit(void **state)
{
    (void)state;
    expect_refused("g.2.bias   =", "g.2.bias", "line 5", "NAME = TENSOR");
    expect_refused("g.2.bias   = net.2.bias", "g.2.bias =", "line 5", "NAME = TENSOR");
    expect_refused("transpose 2,3,1,0", "transposed 2,3,1,0", "line 4", "\"transposed\"");
    expect_refused("transpose 2,3,1,0", "transpose 2,3,1,1", "line 4", "each axis once");
    expect_refused("transpose 2,3,1,0", "transpose 2,3,1", "line 4", "each axis once");
    expect_refused("transpose 2,3,1,0", "transpose 1,0", "line 4", "has 4 axes");
    expect_refused("transpose 2,3,1,0", "transpose", "line 4", "without numbers");
    expect_refused("transpose 2,3,1,0", "transpose 2,3,1,0 view 4", "line 4", "late view");
    expect_refused("view 2,4,4 ", "view 2,4,0 ", "line 3", "view wants");
    expect_refused("view 2,4,4 ", "view 2,4,5 ", "line 3",
                   "\"net.0.bias\" is 32, which is no view");
    expect_refused("transpose 2,3,1,0", "", "line 4", "wants 4 x 4 x 4 x 2");
    expect_refused("view 2,4,4,6 transpose 3,1,2,0", "", "line 2", "\"g.0.weight\" wants 6 x 32");
    expect_refused("view 2,4,4,6 transpose 3,1,2,0", "view 2,4,4,6", "line 2", "wants 6 x 32");
    expect_refused("net.2.bias", "net.9.bias", "line 5", "no tensor \"net.9.bias\"");
    expect_refused("net.2.bias", "steps", "line 5", "I64");
    expect_refused("g.2.bias ", "g.2.bais ", "line 5", "did you mean \"g.2.bias\"");
    expect_refused("g.3.bias ", "g.2.bias ", "line 7", "line 5 already");
    expect_refused("g.3.bias ", "average.d.0.bias ", "line 7", "average.d.0.bias");
    expect_refused("g.3.bias   = net.3.bias", "", "the map names 7 of 8", "\"g.3.bias\"");
}

static void a_map_of_nothing_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct mien_err err = {0};

    world_init(&w);
    assert_int_equal(import(&w, "# nothing\n\n  \t\n", &err), MIEN_EINVAL);
    assert_non_null(strstr(err.text, "names no tensor"));
    assert_int_equal(import(&w, "", &err), MIEN_EINVAL);
    world_fini(&w);
}

static void an_average_of_its_own_is_kept_apart(void **state)
{
    (void)state;
    struct world w;
    struct mien_buf text = {0};
    char *map = map_text();

    /* The same lines again, for the average, and with the line ends of another system. */
    for (int pass = 0; pass < 2; pass++) {
        for (char *line = strchr(map, '\n') + 1; *line != '\0'; line = strchr(line, '\n') + 1)
            assert_int_equal(mien_buf_printf(&text, "%s%.*s\r\n", pass == 0 ? "" : "average.",
                                             (int)(strchr(line, '\n') - line), line),
                             MIEN_OK);
    }
    assert_int_equal(mien_buf_append_u8(&text, 0), MIEN_OK);
    world_init(&w);
    assert_int_equal(import(&w, (const char *)text.data, NULL), MIEN_OK);
    assert_true(w.covered.average);
    assert_memory_equal(w.average, w.values + w.layout.n_d,
                        (w.layout.n_values - w.layout.n_d) * sizeof(float));
    world_fini(&w);
    mien_buf_fini(&text);
    mien_free(map);
}

static void importing_survives_each_failed_allocation(void **state)
{
    (void)state;
    struct world w;
    char *map = map_text();
    enum mien_status status = MIEN_ENOMEM;

    world_init(&w);
    const long live = mien_mem_live();
    for (long k = 0; status != MIEN_OK; k++) {
        mien_mem_fail_at(k);
        status = import(&w, map, NULL);
        if (status != MIEN_OK)
            assert_int_equal(status, MIEN_ENOMEM);
    }
    mien_mem_fail_at(-1);
    assert_int_equal(mien_mem_live(), live);
    world_fini(&w);
    mien_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generator_of_pytorch_draws_the_same_pictures),
        cmocka_unit_test(a_map_error_names_line_and_culprit),
        cmocka_unit_test(a_map_of_nothing_is_refused),
        cmocka_unit_test(an_average_of_its_own_is_kept_apart),
        cmocka_unit_test(importing_survives_each_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
