// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/data/folder.h"
#include "common/data/image.h"
#include "common/data/table.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A scratch directory with a few pictures. */
struct scratch {
    char dir[64];
};

static int set_up(void **state)
{
    struct scratch *scratch = mien_calloc(1, sizeof(*scratch));

    assert_non_null(scratch);
    (void)snprintf(scratch->dir, sizeof(scratch->dir), "/tmp/mien-folder-XXXXXX");
    assert_non_null(mkdtemp(scratch->dir));
    *state = scratch;
    return 0;
}

static void put(const struct scratch *scratch, const char *name, const void *data, size_t n)
{
    char path[256];

    assert_int_equal(mien_path_join(scratch->dir, name, path, sizeof(path)), MIEN_OK);
    assert_int_equal(mien_file_replace(path, (struct mien_span){data, n}, 0600, NULL), MIEN_OK);
}

static void put_text(const struct scratch *scratch, const char *name, const char *text)
{
    put(scratch, name, text, strlen(text));
}

static void put_dir(const struct scratch *scratch, const char *name)
{
    char path[256];

    assert_int_equal(mien_path_join(scratch->dir, name, path, sizeof(path)), MIEN_OK);
    assert_int_equal(mien_dir_make(path, 0700, NULL), MIEN_OK);
}

static void put_picture(const struct scratch *scratch, const char *name, uint8_t value)
{
    uint8_t pixels[16 * 16];
    const struct mien_image image = {16, 16, 1, pixels};
    struct mien_buf png = {0};

    memset(pixels, value, sizeof(pixels));
    assert_int_equal(mien_image_encode(&image, &png), MIEN_OK);
    put(scratch, name, png.data, png.len);
    mien_buf_fini(&png);
}

static int tear_down(void **state)
{
    struct scratch *scratch = *state;
    static const char *const names[] = {"b.png",          "a.png",    ".hidden.png",
                                        "notes.txt",      "d2/1.png", "d1/1.png",
                                        "attributes.csv", "d1",       "d2"};
    char path[256];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (mien_path_join(scratch->dir, names[i], path, sizeof(path)) == MIEN_OK)
            (void)remove(path);
    }
    assert_int_equal(rmdir(scratch->dir), 0);
    mien_free(scratch);
    return 0;
}

static void a_flat_folder_is_one_device_sorted_by_name(void **state)
{
    const struct scratch *scratch = *state;
    struct mien_folder *folder = NULL;
    uint8_t pixels[8 * 8 * 3];

    put_picture(scratch, "b.png", 200);
    put_picture(scratch, "a.png", 100);
    put_picture(scratch, ".hidden.png", 7);
    put_text(scratch, "notes.txt", "no picture");
    put_text(scratch, "attributes.csv", "device,file,hat,age\n,b.png,1,30\n");
    assert_int_equal(mien_folder_open(scratch->dir, &folder, NULL), MIEN_OK);
    assert_true(mien_folder_flat(folder));
    assert_int_equal(mien_folder_n_devices(folder), 1);
    assert_int_equal(mien_folder_n_faces(folder, 0), 2);
    const struct mien_folder_face first = {0, 0, 8, 3};
    assert_int_equal(mien_folder_read(folder, &first, pixels, NULL), MIEN_OK);
    assert_int_equal(pixels[0], 100);
    assert_int_equal(pixels[8 * 8 * 3 - 1], 100);
    assert_null(mien_folder_attribute(folder, 0, 0, "hat"));
    assert_string_equal(mien_folder_attribute(folder, 0, 1, "hat"), "1");
    assert_string_equal(mien_folder_attribute(folder, 0, 1, "age"), "30");
    assert_null(mien_folder_attribute(folder, 0, 1, "beard"));
    mien_folder_free(folder);
}

static void folders_are_devices(void **state)
{
    const struct scratch *scratch = *state;
    struct mien_folder *folder = NULL;

    put_dir(scratch, "d2");
    put_dir(scratch, "d1");
    put_picture(scratch, "d2/1.png", 20);
    put_picture(scratch, "d1/1.png", 10);
    put_text(scratch, "attributes.csv", "device,file,hat\nd2,d2/1.png,0\n");
    assert_int_equal(mien_folder_open(scratch->dir, &folder, NULL), MIEN_OK);
    assert_false(mien_folder_flat(folder));
    assert_int_equal(mien_folder_n_devices(folder), 2);
    assert_string_equal(mien_folder_device(folder, 0), "d1");
    assert_string_equal(mien_folder_attribute(folder, 1, 0, "hat"), "0");
    mien_folder_free(folder);
}

static void what_is_wrong_is_named(void **state)
{
    const struct scratch *scratch = *state;
    struct mien_folder *folder = NULL;
    struct mien_err err = {0};
    uint8_t pixels[64];

    assert_int_equal(mien_folder_open("/nonexistent", &folder, &err), MIEN_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nonexistent"));
    assert_int_equal(mien_folder_open(scratch->dir, &folder, &err), MIEN_ENOTFOUND);
    assert_non_null(strstr(err.text, scratch->dir));
    put_picture(scratch, "a.png", 1);
    put_text(scratch, "attributes.csv", "device,file,hat\n,c.png,1\n");
    assert_int_equal(mien_folder_open(scratch->dir, &folder, &err), MIEN_ENOTFOUND);
    assert_non_null(strstr(err.text, "c.png"));
    put_text(scratch, "attributes.csv", "device,file,hat\n");
    put(scratch, "a.png", "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal(mien_folder_open(scratch->dir, &folder, &err), MIEN_OK);
    const struct mien_folder_face face = {0, 0, 8, 1};
    assert_int_equal(mien_folder_read(folder, &face, pixels, &err), MIEN_EPARSE);
    assert_non_null(strstr(err.text, "a.png"));
    mien_folder_free(folder);
}

static void a_table_is_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "file,device\n", "device,file,hat\nd1,a.png\n",
                                      "device,file\nd1,a.png,extra\n"};
    struct mien_table *table = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct mien_span text = {(const uint8_t *)bad[i], strlen(bad[i])};
        struct mien_err err = {0};

        assert_int_equal(mien_table_new(text, &table, &err), MIEN_EPARSE);
        assert_true(strlen(err.text) > 0);
    }
    static const char good[] = "device,file,hat\r\nd1,a.png,1\r\nd1,b.png,\r\n";
    assert_int_equal(
        mien_table_new((struct mien_span){(const uint8_t *)good, sizeof(good) - 1}, &table, NULL),
        MIEN_OK);
    assert_int_equal(mien_table_n_rows(table), 2);
    assert_string_equal(mien_table_cell(table, 1, 1), "b.png");
    assert_string_equal(mien_table_value(table, 0, "hat"), "1");
    assert_null(mien_table_value(table, 0, "beard"));
    mien_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flat_folder_is_one_device_sorted_by_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(folders_are_devices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, set_up, tear_down),
        cmocka_unit_test(a_table_is_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
