// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target without a fuzzer: over every file of a corpus directory, over each of them
 * cut short at every byte, and with every byte changed. */
#include "common/base/buf.h"
#include "common/base/file.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

enum { MAX_BYTES = 1 << 20, MAX_VARIANTS = 4096 };

/* The bytes in a block of their own size, so that a sanitizer sees a read past them. */
static void run(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n == 0 ? 1 : n);

    if (copy == NULL)
        abort();
    if (n > 0)
        memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void run_variants(struct mien_buf *bytes)
{
    size_t step = bytes->len / MAX_VARIANTS + 1;

    run(bytes->data, bytes->len);
    for (size_t n = 0; n < bytes->len; n += step)
        run(bytes->data, n);
    for (size_t i = 0; i < bytes->len; i += step) {
        uint8_t was = bytes->data[i];

        for (int bit = 0; bit < 8; bit += 3) {
            bytes->data[i] = (uint8_t)(was ^ 1 << bit);
            run(bytes->data, bytes->len);
        }
        bytes->data[i] = 0xff;
        run(bytes->data, bytes->len);
        bytes->data[i] = was;
    }
}

static int run_file(const char *dir, const char *name)
{
    char path[4096];
    struct mien_buf bytes = {0};
    struct mien_err err = {0};
    enum mien_status status = mien_path_join(dir, name, path, sizeof(path));

    if (status == MIEN_OK)
        status = mien_file_read(path, MAX_BYTES, &bytes, &err);
    if (status == MIEN_OK)
        run_variants(&bytes);
    else
        fprintf(stderr, "%s: %s\n", name, mien_err_text(&err, status));
    mien_buf_fini(&bytes);
    return status == MIEN_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    const struct dirent *entry;
    int n_files = 0;
    int failed = 0;

    if (dir == NULL) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    run(NULL, 0);
    while (!failed && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        failed = run_file(argv[1], entry->d_name);
        n_files++;
    }
    closedir(dir);
    if (n_files == 0) {
        fprintf(stderr, "%s: no file to replay\n", argv[1]);
        return 1;
    }
    printf("%d files and their variants replayed\n", n_files);
    return failed;
}
