// SPDX-License-Identifier: Apache-2.0
/* Writes small seed corpora of what the coordinator keeps and gives away: entries of the ledger,
 * mien.conf, and a set with its card, picture and public ledger. As make_corpus.c. */
#include "tests/unit/store/entry_samples.h"
#include "tests/unit/store/release_fixture.h"

static void write_seed(const char *root, const char *target, const char *name,
                       const struct mien_buf *bytes)
{
    char dir[4096];
    char path[4096];

    assert_int_equal(mien_path_join(root, target, dir, sizeof(dir)), MIEN_OK);
    assert_int_equal(mien_dir_make(dir, 0777, NULL), MIEN_OK);
    assert_int_equal(mien_path_join(dir, name, path, sizeof(path)), MIEN_OK);
    assert_int_equal(mien_file_replace(path, mien_buf_span(bytes), 0644, NULL), MIEN_OK);
}

/* A file of the set, with the byte that tells the target what it is. */
static void write_part(const char *root, const struct at *at, const char *name, uint8_t tag)
{
    struct mien_buf file = {0};
    struct mien_buf seed = {0};

    read_file(at->set, name, &file);
    assert_int_equal(mien_buf_append_u8(&seed, tag), MIEN_OK);
    assert_int_equal(mien_buf_append(&seed, file.data, file.len), MIEN_OK);
    write_seed(root, "release", name, &seed);
    mien_buf_fini(&file);
    mien_buf_fini(&seed);
}

static void releases(const char *root, const struct at *at)
{
    struct mien_release release = begin(at, 1);
    struct mien_buf seed = {0};

    write_true_set(at);
    write_part(root, at, "release.json", 'r');
    write_part(root, at, "0.png", 'p');
    write_part(root, at, "ledger.chain", 'l');
    assert_int_equal(mien_buf_append_u8(&seed, 'c'), MIEN_OK);
    assert_int_equal(mien_buf_append(&seed, release.card.data, release.card.len - 1), MIEN_OK);
    write_seed(root, "release", "card", &seed);
    mien_buf_fini(&seed);
    mien_release_fini(&release);
}

static void entries(const char *root)
{
    for (int kind = 1; kind < MIEN_ENTRY_KIND_END; kind++) {
        const struct mien_entry entry = entry_of((enum mien_entry_kind)kind);
        struct mien_buf bytes = {0};
        char name[16];

        assert_int_equal(mien_entry_encode(&entry, &bytes), MIEN_OK);
        (void)snprintf(name, sizeof(name), "kind_%d", kind);
        write_seed(root, "entry", name, &bytes);
        mien_buf_fini(&bytes);
    }
}

/* Without the comments, which a fuzzer has no use for. */
static void configs(const char *root)
{
    static const char text[] =
        "[plan]\npreset = faces16\n[round]\ncohort = 100\nmin_reports = 40\nrate = 0.01\n"
        "[privacy]\nnoise_multiplier = 1.5\ndelta = 1e-6\n[listen]\nport = 7443\n";
    struct mien_buf bytes = {0};

    assert_int_equal(mien_buf_append(&bytes, text, sizeof(text) - 1), MIEN_OK);
    write_seed(root, "config", "few_keys", &bytes);
    mien_buf_fini(&bytes);
}

int main(int argc, char **argv)
{
    void *at = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    entries(argv[1]);
    configs(argv[1]);
    (void)setup_group(&at);
    (void)setup(&at);
    releases(argv[1], at);
    (void)teardown(&at);
    return teardown_group(&at);
}
