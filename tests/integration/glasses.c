// SPDX-License-Identifier: Apache-2.0
/* Tells which faces wear glasses, by what drawn glasses change in a picture.
 *
 *   glasses WITH WITHOUT SET...     folders of drawn faces with and without, folders to judge
 *
 * The template is the mean difference of WITH and WITHOUT where it is large (the drawn region),
 * each coordinate over its variance; a picture wears glasses when its score is past the middle.
 * Prints one line for each SET: the share that does, and the folder.
 */
#include "common/base/status.h"
#include "common/data/folder.h"

#include <math.h>
#include <stdio.h>

enum { SIDE = 32, CHANNELS = 3, N = SIDE * SIDE * CHANNELS };

struct moments {
    double mean[N];
    double variance[N];
};

/* Calls take for each picture of a folder. */
static enum mien_status each_picture(const char *dir, void (*take)(void *self, const uint8_t *px),
                                     void *self, size_t *n)
{
    struct mien_err err = {0};
    struct mien_folder *folder = NULL;
    uint8_t pixels[N];
    enum mien_status status = mien_folder_open(dir, &folder, &err);

    *n = status == MIEN_OK ? mien_folder_n_faces(folder, 0) : 0;
    for (size_t i = 0; i < *n && status == MIEN_OK; i++) {
        const struct mien_folder_face face = {.index = i, .size = SIDE, .channels = CHANNELS};
        status = mien_folder_read(folder, &face, pixels, &err);
        if (status == MIEN_OK)
            take(self, pixels);
    }
    mien_folder_free(folder);
    if (status != MIEN_OK)
        (void)fprintf(stderr, "glasses: %s\n", mien_err_text(&err, status));
    return status;
}

static void add_moments(void *self, const uint8_t *pixels)
{
    struct moments *m = self;

    for (int i = 0; i < N; i++) {
        m->mean[i] += pixels[i];
        m->variance[i] += (double)pixels[i] * pixels[i];
    }
}

static enum mien_status moments_of(const char *dir, struct moments *m)
{
    size_t n;
    enum mien_status status = each_picture(dir, add_moments, m, &n);

    for (int i = 0; i < N && n > 0; i++) {
        m->mean[i] /= (double)n;
        m->variance[i] = m->variance[i] / (double)n - m->mean[i] * m->mean[i];
    }
    return status;
}

struct template
{
    double weight[N];
    double middle;
    size_t n_wearing;
};

static double score(const double *weight, const double *pixels)
{
    double sum = 0;

    for (int i = 0; i < N; i++)
        sum += weight[i] * pixels[i];
    return sum;
}

static void make_template(const struct moments *with, const struct moments *without,
                          struct template *t)
{
    double largest = 0;

    for (int i = 0; i < N; i++)
        largest = fmax(largest, fabs(with->mean[i] - without->mean[i]));
    for (int i = 0; i < N; i++) {
        double difference = with->mean[i] - without->mean[i];
        double variance = with->variance[i] + without->variance[i];
        t->weight[i] = fabs(difference) < largest / 4 ? 0 : difference / (variance + 1);
    }
    t->middle = (score(t->weight, with->mean) + score(t->weight, without->mean)) / 2;
}

static void judge(void *self, const uint8_t *pixels)
{
    struct template *t = self;
    double values[N];

    for (int i = 0; i < N; i++)
        values[i] = pixels[i];
    t->n_wearing += score(t->weight, values) > t->middle;
}

int main(int argc, char **argv)
{
    static struct moments with;
    static struct moments without;
    static struct template t;
    size_t n;

    if (argc < 4) {
        (void)fprintf(stderr, "usage: glasses WITH WITHOUT SET...\n");
        return 2;
    }
    if (moments_of(argv[1], &with) != MIEN_OK || moments_of(argv[2], &without) != MIEN_OK)
        return 2;
    make_template(&with, &without, &t);
    for (int i = 3; i < argc; i++) {
        t.n_wearing = 0;
        if (each_picture(argv[i], judge, &t, &n) != MIEN_OK)
            return 2;
        (void)printf("%.3f %s\n", (double)t.n_wearing / (double)n, argv[i]);
    }
    return 0;
}
