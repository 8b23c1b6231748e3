// SPDX-License-Identifier: Apache-2.0
/* mien faces: folders of drawn faces, one a device, each with a mixture of its own. */
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/data/image.h"
#include "common/data/procedural.h"
#include "server/tools/plain_file.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_PATH_BYTES 4096
#define MAX_DEVICES UINT64_C(9999)
#define MAX_EACH UINT64_C(9999)

/* Streams of the seed: a device's faces do not depend on how many devices there are. */
#define STREAM_DEVICES 16

struct faces_options {
    const char *out;
    uint64_t devices; /* 0: no folders */
    uint64_t each;
    uint64_t size;
    uint64_t seed;
    double glasses;
    double hat;
    double skew;
};

/* Columns of attributes.csv after device and file. */
static const char *const columns[] = {"glasses",    "hat", "beard", "smiling", "hair_length",
                                      "hair_color", "age", "skin",  "text"};

#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static enum mien_status check(const struct faces_options *o, struct mien_err *err)
{
    const double shares[] = {o->glasses, o->hat, o->skew};

    if (o->out == NULL)
        return mien_err_set(err, MIEN_EINVAL, "--out is missing");
    if (o->devices > MAX_DEVICES)
        return mien_err_set(err, MIEN_EINVAL, "--devices is %" PRIu64 ", at most %" PRIu64,
                            o->devices, MAX_DEVICES);
    if (o->each == 0 || o->each > MAX_EACH)
        return mien_err_set(err, MIEN_EINVAL, "--each is %" PRIu64 ", expected 1 to %" PRIu64,
                            o->each, MAX_EACH);
    if (o->size < 16 || o->size > 128)
        return mien_err_set(err, MIEN_EINVAL, "--size is %" PRIu64 ", expected 16 to 128", o->size);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        if (!(shares[i] >= 0.0 && shares[i] <= 1.0))
            return mien_err_set(err, MIEN_EINVAL, "--glasses, --hat and --skew are from 0 to 1");
    }
    return MIEN_OK;
}

/* A chance pulled towards 0 or 1; its mean over devices stays. */
static double pulled(double chance, double skew, struct mien_rng_seeded *rng)
{
    const double end = (double)mien_rng_seeded_uniform(rng) < chance ? 1.0 : 0.0;

    return chance + skew * (end - chance);
}

static struct mien_face_mixture device_mixture(const struct faces_options *o,
                                               struct mien_rng_seeded *rng)
{
    struct mien_face_mixture m = mien_face_mixture_default();

    m.glasses = pulled(o->glasses, o->skew, rng);
    m.hat = pulled(o->hat, o->skew, rng);
    m.beard = pulled(m.beard, o->skew, rng);
    m.smile = pulled(m.smile, o->skew, rng);
    m.long_hair = pulled(m.long_hair, o->skew, rng);
    m.young = pulled(m.young, o->skew, rng);
    m.dark += o->skew * 0.6 * ((double)mien_rng_seeded_uniform(rng) - 0.5);
    return m;
}

static enum mien_status add_row(const struct mien_face *face, const char *device, const char *file,
                                struct mien_buf *csv)
{
    enum mien_status status = mien_buf_printf(csv, "%s,%s", device, file);

    for (size_t i = 0; i < N_COLUMNS && status == MIEN_OK; i++) {
        char text[MIEN_FACE_TEXT_BYTES] = "";

        (void)mien_face_attribute(face, columns[i], text);
        status = mien_buf_printf(csv, ",%s", text);
    }
    return status == MIEN_OK ? mien_buf_printf(csv, "\n") : status;
}

static enum mien_status write_face(const struct faces_options *o, const struct mien_face *face,
                                   const char *file, struct mien_err *err)
{
    const uint32_t size = (uint32_t)o->size;
    struct mien_image image = {size, size, 3, mien_calloc((size_t)size * size, 3)};
    struct mien_buf png = {0};
    char path[MAX_PATH_BYTES];
    enum mien_status status = image.pixels == NULL ? MIEN_ENOMEM : MIEN_OK;

    if (status == MIEN_OK)
        status = mien_face_paint(face, size, 3, image.pixels);
    if (status == MIEN_OK)
        status = mien_image_encode(&image, &png);
    if (status == MIEN_OK)
        status = mien_path_join(o->out, file, path, sizeof(path));
    if (status == MIEN_OK)
        status = mien_tool_write_plain(path, mien_buf_span(&png), err);
    mien_image_fini(&image);
    mien_buf_fini(&png);
    return status;
}

/* Device number d (from 1), or the folder itself (0). */
static enum mien_status write_device(const struct faces_options *o, uint64_t d,
                                     struct mien_buf *csv, struct mien_err *err)
{
    char device[8] = "";
    char file[24];
    char path[MAX_PATH_BYTES];
    struct mien_rng_seeded *rng = NULL;
    enum mien_status status = mien_rng_seeded_new(o->seed, STREAM_DEVICES + d, &rng);

    if (status == MIEN_OK && d > 0) {
        (void)snprintf(device, sizeof(device), "d%04" PRIu64, d % (MAX_DEVICES + 1));
        status = mien_path_join(o->out, device, path, sizeof(path));
        if (status == MIEN_OK)
            status = mien_dir_make(path, 0755, err);
    }
    if (status != MIEN_OK)
        goto out;
    const struct mien_face_mixture mixture = device_mixture(o, rng);
    for (uint64_t i = 1; i <= o->each && status == MIEN_OK; i++) {
        const struct mien_face face = mien_face_draw(&mixture, rng);

        (void)snprintf(file, sizeof(file), "%s%s%04" PRIu64 ".png", device, d > 0 ? "/" : "",
                       i % (MAX_EACH + 1));
        status = write_face(o, &face, file, err);
        if (status == MIEN_OK)
            status = add_row(&face, device, file, csv);
    }
out:
    mien_rng_seeded_free(rng);
    return status;
}

static enum mien_status run(const struct faces_options *o, struct mien_err *err)
{
    const uint64_t first = o->devices == 0 ? 0 : 1;
    struct mien_buf csv = {0};
    struct mien_progress progress;
    char path[MAX_PATH_BYTES];
    enum mien_status status = check(o, err);

    if (status != MIEN_OK)
        return status;
    status = mien_dir_make(o->out, 0755, err);
    if (status == MIEN_OK)
        status = mien_path_join(o->out, "attributes.csv", path, sizeof(path));
    if (status == MIEN_OK && mien_path_exists(path))
        status = mien_err_set(err, MIEN_EEXIST, "%s holds faces already", o->out);
    if (status == MIEN_OK)
        status = mien_buf_printf(&csv, "device,file");
    for (size_t i = 0; i < N_COLUMNS && status == MIEN_OK; i++)
        status = mien_buf_printf(&csv, ",%s", columns[i]);
    if (status == MIEN_OK)
        status = mien_buf_printf(&csv, "\n");
    mien_progress_init(&progress, "drawing");
    for (uint64_t d = first; d <= o->devices && status == MIEN_OK; d++) {
        status = write_device(o, d, &csv, err);
        mien_progress_set(&progress, d, o->devices);
    }
    mien_progress_fini(&progress);
    if (status == MIEN_OK)
        status = mien_file_replace(path, mien_buf_span(&csv), 0644, err);
    mien_buf_fini(&csv);
    return status;
}

int mien_tool_faces(int argc, char **argv)
{
    struct faces_options o = {
        .each = 20, .size = 32, .seed = 1, .glasses = 0.3, .hat = 0.2, .skew = 0.5};
    const struct mien_option options[] = {
        {"--out", MIEN_OPTION_TEXT, &o.out, "FDIR", "the folder to write, made if needed"},
        {"--devices", MIEN_OPTION_NUMBER, &o.devices, "N",
         "a folder for each of N devices (default: none, faces at the top)"},
        {"--each", MIEN_OPTION_NUMBER, &o.each, "N", "faces of a device (default 20)"},
        {"--size", MIEN_OPTION_NUMBER, &o.size, "PIXELS", "a side, 16 to 128 (default 32)"},
        {"--seed", MIEN_OPTION_NUMBER, &o.seed, "S", "the same seed, the same faces (default 1)"},
        {"--glasses", MIEN_OPTION_REAL, &o.glasses, "SHARE", "that wear glasses (default 0.3)"},
        {"--hat", MIEN_OPTION_REAL, &o.hat, "SHARE", "that wear a hat (default 0.2)"},
        {"--skew", MIEN_OPTION_REAL, &o.skew, "SHARE",
         "how far devices differ: 0 all alike, 1 each all or nothing (default 0.5)"},
    };
    const struct mien_command command = {
        .name = "mien faces",
        .synopsis = "--out FDIR [--devices N] [--each N] [--glasses SHARE] [--hat SHARE]",
        .about = "Draws folders of faces with an attributes.csv, for demonstrations and tests. "
                 "Nobody is in them.",
        .options = options,
        .n_options = sizeof(options) / sizeof(options[0]),
    };
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, NULL, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(&o, &err);
    return mien_command_end(&command, status, &err);
}
