// SPDX-License-Identifier: Apache-2.0
#include "common/data/procedural.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Painting works in the unit square -1 .. 1, y down; a shape covers a point softly within half a
 * pixel of its edge, so that faces of all sizes are anti-aliased alike. */

/* How much of the picture a head fills. */
#define ZOOM 1.15

struct rgb {
    double r, g, b;
};

/* A face with all its choices made. */
struct look {
    const struct mien_face *face;
    struct rgb skin, hair, cloth, hat, lips, iris, back_top, back_bottom;
    double light_x, light_y;
    double cx, cy; /* centre of the head */
    double rx, ry; /* its half axes */
    double shift;  /* of features by the pose */
    double eye_dx, eye_y, eye_size, brow_y;
    double nose, mouth_y, mouth_w, hairline, grain;
    double px; /* half a pixel */
};

static struct rgb mix(struct rgb a, struct rgb b, double t)
{
    return (struct rgb){a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

static struct rgb times(struct rgb a, double t)
{
    return (struct rgb){a.r * t, a.g * t, a.b * t};
}

static double clamp01(double v)
{
    return v < 0.0 ? 0.0 : v > 1.0 ? 1.0 : v;
}

/* How much an edge at distance d (inside: negative) covers. */
static double cover(const struct look *l, double d)
{
    return clamp01(0.5 - d / (2.0 * l->px));
}

/* Distance to an ellipse, good near its edge. */
static double ellipse(double x, double y, double rx, double ry)
{
    const double k = sqrt(x * x / (rx * rx) + y * y / (ry * ry));
    const double slope = sqrt(x * x / (rx * rx * rx * rx) + y * y / (ry * ry * ry * ry));

    return slope < 1e-9 ? -fmin(rx, ry) : k * (k - 1.0) / slope;
}

/* Distance to a rectangle. */
static double box(double x, double y, double half_w, double half_h)
{
    return fmax(fabs(x) - half_w, fabs(y) - half_h);
}

static void lay(struct rgb *on, struct rgb color, double amount)
{
    *on = mix(*on, color, clamp01(amount));
}

static double between(struct mien_rng_seeded *rng, double low, double high)
{
    return low + (high - low) * (double)mien_rng_seeded_uniform(rng);
}

static struct rgb hue(double h, double s, double v)
{
    const struct rgb full = {clamp01(fabs(fmod(h * 6.0, 6.0) - 3.0) - 1.0),
                             clamp01(2.0 - fabs(fmod(h * 6.0, 6.0) - 2.0)),
                             clamp01(2.0 - fabs(fmod(h * 6.0, 6.0) - 4.0))};

    return times(mix((struct rgb){1, 1, 1}, full, s), v);
}

static struct rgb skin_of(double dark)
{
    const struct rgb light = {0.97, 0.82, 0.72};
    const struct rgb middle = {0.80, 0.58, 0.42};
    const struct rgb deep = {0.38, 0.25, 0.18};

    return dark < 0.5 ? mix(light, middle, 2.0 * dark) : mix(middle, deep, 2.0 * dark - 1.0);
}

static struct rgb hair_of(const struct mien_face *face)
{
    static const struct rgb colors[] = {
        {0.08, 0.07, 0.07}, {0.32, 0.19, 0.10}, {0.85, 0.68, 0.34},
        {0.62, 0.25, 0.10}, {0.68, 0.68, 0.68},
    };
    const double grey = clamp01(((double)face->age - 55.0) / 25.0);

    return mix(colors[face->hair_color], colors[MIEN_FACE_HAIR_GRAY], grey);
}

static void choose_colors(struct look *l, struct mien_rng_seeded *rng)
{
    const double back = between(rng, 0.0, 1.0);
    const double bright = between(rng, 0.35, 0.95);

    l->skin = times(skin_of(l->face->skin), between(rng, 0.94, 1.04));
    l->hair = times(hair_of(l->face), between(rng, 0.85, 1.15));
    l->cloth = hue(between(rng, 0.0, 1.0), between(rng, 0.1, 0.7), between(rng, 0.25, 0.85));
    l->hat = hue(between(rng, 0.0, 1.0), between(rng, 0.55, 0.9), between(rng, 0.5, 0.9));
    l->lips = mix(l->skin, (struct rgb){0.72, 0.20, 0.24}, between(rng, 0.45, 0.75));
    l->iris = hue(between(rng, 0.05, 0.6), 0.5, between(rng, 0.2, 0.5));
    l->back_top = hue(back, between(rng, 0.05, 0.35), bright);
    l->back_bottom = hue(back, between(rng, 0.05, 0.35), bright * between(rng, 0.6, 1.0));
    l->light_x = between(rng, -0.8, 0.8);
    l->light_y = between(rng, -0.9, -0.2);
}

static void choose_shapes(struct look *l, struct mien_rng_seeded *rng)
{
    l->cx = between(rng, -0.04, 0.04);
    l->cy = between(rng, 0.04, 0.12);
    l->rx = between(rng, 0.48, 0.56);
    l->ry = between(rng, 0.62, 0.70);
    l->shift = 0.13 * l->face->yaw;
    l->eye_dx = between(rng, 0.20, 0.24);
    l->eye_y = between(rng, -0.13, -0.07);
    l->eye_size = between(rng, 0.095, 0.12);
    l->brow_y = l->eye_y - between(rng, 0.14, 0.18);
    l->nose = between(rng, 0.055, 0.085);
    l->mouth_y = between(rng, 0.33, 0.38);
    l->mouth_w = between(rng, 0.17, 0.22);
    l->hairline = between(rng, -0.44, -0.32);
    l->grain = between(rng, 0.0, 100.0);
}

static double head_distance(const struct look *l, double x, double y, double grow)
{
    /* Narrower towards the chin. */
    const double jaw = y > 0.0 ? 1.0 - 0.18 * y / l->ry : 1.0;

    return ellipse(x, y, l->rx * jaw + grow, l->ry + grow);
}

static void paint_background(const struct look *l, double x, double y, struct rgb *on)
{
    *on = mix(l->back_top, l->back_bottom, clamp01(0.5 + 0.5 * y + 0.2 * x * l->light_x));
}

static void paint_behind(const struct look *l, double x, double y, struct rgb *on)
{
    if (l->face->hair_length == MIEN_FACE_HAIR_LONG) {
        const double mane = fmin(ellipse(x, y + 0.08, l->rx + 0.20, l->ry + 0.14),
                                 box(x, y - 0.45, l->rx + 0.17, 0.45));

        lay(on, times(l->hair, 0.75), cover(l, mane));
    }
    lay(on, times(l->skin, 0.78), cover(l, box(x, y - 0.75, 0.22, 0.30)));
    lay(on, l->cloth, cover(l, ellipse(x, y - 1.25, 0.85, 0.42)));
}

static void paint_head(const struct look *l, double x, double y, struct rgb *on)
{
    const double side = fabs(x - l->shift * 0.3);
    const double ear = ellipse(side - l->rx + 0.01, y + 0.02, 0.075, 0.14);
    const double nx = x / l->rx;
    const double ny = y / l->ry;
    const double nz = sqrt(fmax(0.0, 1.0 - nx * nx - ny * ny));
    const double lit = 0.62 + 0.30 * nz + 0.20 * (nx * l->light_x + ny * l->light_y);

    lay(on, times(l->skin, 0.80), cover(l, ear));
    lay(on, times(l->skin, fmin(lit, 1.12)), cover(l, head_distance(l, x, y, 0.0)));
}

/* Coordinates of features: moved and squeezed by the pose. */
static double turned(const struct look *l, double x)
{
    return (x - l->shift) / (1.0 - 0.12 * fabs(l->face->yaw));
}

static void paint_eyes(const struct look *l, double x, double y, struct rgb *on)
{
    const double u = fabs(turned(l, x)) - l->eye_dx;
    const double v = y - l->eye_y;
    const double look_to = l->face->yaw * 0.03 * (turned(l, x) < 0.0 ? -1.0 : 1.0);
    const double squint = l->face->smile ? 0.8 : 1.0;
    const double eye = ellipse(u, v, l->eye_size, l->eye_size * 0.55 * squint);
    const double brow = ellipse(u, y - l->brow_y - 0.35 * u * u + 0.1 * u, 0.125, 0.030);

    lay(on, times(l->skin, 0.72), 0.55 * cover(l, ellipse(u, v, l->eye_size + 0.04, 0.09)));
    lay(on, (struct rgb){0.95, 0.95, 0.95}, cover(l, eye));
    const double iris = fmax(eye, ellipse(u - look_to, v, 0.052, 0.052));
    lay(on, l->iris, cover(l, iris));
    lay(on, (struct rgb){0.04, 0.04, 0.05}, cover(l, ellipse(u - look_to, v, 0.026, 0.026)));
    lay(on, (struct rgb){0.12, 0.08, 0.08}, cover(l, fmax(fabs(eye) - 0.010, v + 0.01)) * 0.9);
    lay(on, times(l->hair, 0.6), 0.85 * cover(l, brow));
}

static void paint_nose(const struct look *l, double x, double y, struct rgb *on)
{
    const double u = turned(l, x) - 0.25 * l->shift;
    const double shadow_side = l->light_x > 0.0 ? -1.0 : 1.0;

    lay(on, times(l->skin, 0.74),
        0.6 * cover(l, ellipse(u - shadow_side * 0.045, y - 0.06, 0.022, 0.13)));
    lay(on, times(l->skin, 1.12), 0.5 * cover(l, ellipse(u, y - 0.10, 0.025, 0.10)));
    lay(on, times(l->skin, 0.60),
        0.8 * cover(l, ellipse(fabs(u) - l->nose * 0.7, y - 0.195, 0.030, 0.018)));
    lay(on, times(l->skin, 0.80), 0.5 * cover(l, ellipse(u, y - 0.22, l->nose, 0.020)));
}

static void paint_mouth(const struct look *l, double x, double y, struct rgb *on)
{
    const double u = turned(l, x);
    const double w = l->mouth_w * (l->face->smile ? 1.2 : 1.0);
    const double bend = l->face->smile ? 1.9 : 0.15;
    const double v = y - l->mouth_y + bend * (u * u - w * w * 0.5);

    lay(on, l->lips, cover(l, ellipse(u, v, w, l->face->smile ? 0.085 : 0.05)));
    if (l->face->smile)
        lay(on, (struct rgb){0.96, 0.96, 0.94}, cover(l, ellipse(u, v, w * 0.82, 0.042)));
    else
        lay(on, times(l->lips, 0.5), cover(l, ellipse(u, v, w * 0.9, 0.012)));
}

static void paint_beard(const struct look *l, double x, double y, struct rgb *on)
{
    const double u = turned(l, x);
    const double top = 0.20 - 0.9 * (fabs(u) > 0.28 ? fabs(u) - 0.28 : 0.0);
    const double hole = ellipse(u, y - l->mouth_y, l->mouth_w + 0.03, 0.065);
    const double area = fmax(fmax(head_distance(l, x, y, 0.02), top - y), -hole);
    const double nostrils = ellipse(u, y - 0.14, 0.16, 0.11);

    lay(on, times(l->hair, 0.9), 0.9 * cover(l, fmax(area, -nostrils)));
}

static void paint_age(const struct look *l, double x, double y, struct rgb *on)
{
    const double amount = clamp01(((double)l->face->age - 45.0) / 35.0);
    const double u = turned(l, x);
    const double fold = fabs(fabs(u) - 0.17 - 0.35 * (y - 0.18)) - 0.012;

    if (amount <= 0.0)
        return;
    for (int i = 0; i < 3; i++) {
        const double line = fabs(y - l->brow_y + 0.09 + 0.065 * i + 0.3 * u * u) - 0.009;

        lay(on, times(l->skin, 0.62), amount * cover(l, fmax(line, fabs(u) - 0.24)));
    }
    lay(on, times(l->skin, 0.60), amount * cover(l, fmax(fold, fabs(y - 0.27) - 0.10)));
    lay(on, times(l->skin, 0.70),
        0.8 * amount *
            cover(l, fabs(ellipse(fabs(u) - l->eye_dx, y - l->eye_y - 0.07, 0.10, 0.05)) - 0.010));
}

static void paint_hair(const struct look *l, double x, double y, struct rgb *on)
{
    const double strand = 1.0 + 0.10 * sin(23.0 * x + l->grain) * sin(9.0 * y + l->grain);
    const double fringe = l->hairline + 0.75 * x * x + 0.05 * sin(3.0 * x + l->grain);
    double area;

    if (l->face->hair_length == MIEN_FACE_HAIR_NONE)
        return;
    area = fmax(head_distance(l, x, y + 0.03, 0.07), y - fringe);
    const double side = fmax(fmax(head_distance(l, x, y, 0.06), -head_distance(l, x, y, -0.06)),
                             y - (l->face->hair_length == MIEN_FACE_HAIR_LONG ? 0.75 : -0.05));
    lay(on, times(l->hair, strand), cover(l, fmin(area, side)));
}

static void paint_hat(const struct look *l, double x, double y, struct rgb *on)
{
    const double edge = l->hairline + 0.04 + 0.10 * x * x;
    const double dome = fmax(ellipse(x, y + 0.42, l->rx + 0.10, 0.50), y - edge);
    const double band = fmax(fabs(x) - l->rx - 0.10, fabs(y - edge + 0.07) - 0.07);
    const double shade = 1.0 + 0.25 * (x * l->light_x);
    const double brim = ellipse(x - l->shift, y - edge, l->rx + 0.20, 0.055);

    lay(on, times(l->hat, shade), cover(l, dome));
    lay(on, times(l->hat, 0.45), cover(l, band));
    lay(on, times(l->hat, 0.75 * shade), cover(l, brim));
}

static void paint_glasses(const struct look *l, double x, double y, struct rgb *on)
{
    const struct rgb frame = {0.06, 0.05, 0.06};
    const double u = turned(l, x);
    const double a = fabs(u) - l->eye_dx;
    const double v = y - l->eye_y - 0.01;
    const double lens = ellipse(a, v, 0.165, 0.135);
    const double bridge = fmax(fabs(v + 0.03) - 0.020, fabs(u) - 0.07);
    const double temple =
        fmax(fabs(v + 0.03) - 0.020, fmax(l->eye_dx + 0.15 - fabs(u), fabs(x) - l->rx + 0.01));

    lay(on, (struct rgb){0.75, 0.85, 0.95}, 0.22 * cover(l, lens));
    lay(on, frame, cover(l, fmin(fabs(lens) - 0.028, fmin(bridge, temple))));
}

static struct rgb color_at(const struct look *l, double px, double py)
{
    const double x = (px - l->cx) / ZOOM;
    const double y = (py - l->cy) / ZOOM;
    struct rgb on;

    paint_background(l, px, py, &on);
    paint_behind(l, x, y, &on);
    paint_head(l, x, y, &on);
    paint_nose(l, x, y, &on);
    paint_eyes(l, x, y, &on);
    paint_age(l, x, y, &on);
    if (l->face->beard)
        paint_beard(l, x, y, &on);
    paint_mouth(l, x, y, &on);
    paint_hair(l, x, y, &on);
    if (l->face->glasses)
        paint_glasses(l, x, y, &on);
    if (l->face->hat)
        paint_hat(l, x, y, &on);
    return on;
}

static uint8_t to_byte(double v)
{
    return (uint8_t)(255.0 * clamp01(v) + 0.5);
}

enum mien_status mien_face_paint(const struct mien_face *face, uint32_t size, uint32_t channels,
                                 uint8_t *pixels)
{
    struct look look = {.face = face, .px = 1.0 / (ZOOM * (double)size)};
    struct mien_rng_seeded *rng = NULL;

    enum mien_status status = mien_rng_seeded_new(face->seed, 0, &rng);
    if (status != MIEN_OK)
        return status;
    choose_colors(&look, rng);
    choose_shapes(&look, rng);
    for (uint32_t y = 0; y < size; y++) {
        for (uint32_t x = 0; x < size; x++, pixels += channels) {
            const struct rgb c =
                color_at(&look, (2.0 * x + 1.0) / size - 1.0, (2.0 * y + 1.0) / size - 1.0);

            if (channels == 1) {
                pixels[0] = to_byte(0.299 * c.r + 0.587 * c.g + 0.114 * c.b);
                continue;
            }
            pixels[0] = to_byte(c.r);
            pixels[1] = to_byte(c.g);
            pixels[2] = to_byte(c.b);
        }
    }
    status = mien_rng_seeded_ok(rng) ? MIEN_OK : MIEN_ECRYPTO;
    mien_rng_seeded_free(rng);
    return status;
}

struct mien_face_mixture mien_face_mixture_default(void)
{
    return (struct mien_face_mixture){0.3, 0.2, 0.25, 0.5, 0.45, 0.35, 0.7};
}

static bool chance(struct mien_rng_seeded *rng, double share)
{
    return (double)mien_rng_seeded_uniform(rng) < share;
}

struct mien_face mien_face_draw(const struct mien_face_mixture *m, struct mien_rng_seeded *rng)
{
    struct mien_face face = {0};

    face.skin = clamp01(m->dark + 0.25 * (double)mien_rng_seeded_normal(rng));
    face.hair_length = chance(rng, m->long_hair) ? MIEN_FACE_HAIR_LONG
                       : chance(rng, 0.12)       ? MIEN_FACE_HAIR_NONE
                                                 : MIEN_FACE_HAIR_SHORT;
    face.hair_color = (enum mien_face_hair_color)mien_rng_seeded_below(rng, 4);
    face.age = chance(rng, m->young) ? 18 + (uint32_t)mien_rng_seeded_below(rng, 32)
                                     : 50 + (uint32_t)mien_rng_seeded_below(rng, 41);
    face.beard = face.hair_length != MIEN_FACE_HAIR_LONG && chance(rng, 2.0 * m->beard);
    face.glasses = chance(rng, m->glasses);
    face.hat = chance(rng, m->hat);
    face.smile = chance(rng, m->smile);
    face.yaw = 2.0 * (double)mien_rng_seeded_uniform(rng) - 1.0;
    face.seed = mien_rng_seeded_below(rng, UINT64_MAX);
    return face;
}

/* "old long gray hair glasses smiles": no commas, so that attributes.csv can hold it. */
static void describe(const struct mien_face *face, const char *length, const char *color,
                     char text[MIEN_FACE_TEXT_BYTES])
{
    const char *age = face->age < 35 ? "young" : face->age < 60 ? "grown" : "old";
    const bool bald = face->hair_length == MIEN_FACE_HAIR_NONE;

    (void)snprintf(text, MIEN_FACE_TEXT_BYTES, "%s %s%s%s hair%s%s%s%s", age, bald ? "" : length,
                   bald ? "" : " ", bald ? "no" : color, face->beard ? " beard" : "",
                   face->glasses ? " glasses" : "", face->hat ? " hat" : "",
                   face->smile ? " smiles" : "");
}

bool mien_face_attribute(const struct mien_face *face, const char *name,
                         char text[MIEN_FACE_TEXT_BYTES])
{
    static const char *const lengths[] = {"none", "short", "long"};
    static const char *const colors[] = {"black", "brown", "blond", "red", "gray"};
    const char *color = colors[face->age >= 68 ? MIEN_FACE_HAIR_GRAY : face->hair_color];
    const struct {
        const char *name;
        bool value;
    } switches[] = {{"glasses", face->glasses},
                    {"hat", face->hat},
                    {"beard", face->beard},
                    {"smiling", face->smile}};

    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        if (strcmp(name, switches[i].name) == 0) {
            (void)snprintf(text, MIEN_FACE_TEXT_BYTES, "%d", switches[i].value);
            return true;
        }
    }
    if (strcmp(name, "hair_length") == 0)
        (void)snprintf(text, MIEN_FACE_TEXT_BYTES, "%s", lengths[face->hair_length]);
    else if (strcmp(name, "hair_color") == 0)
        (void)snprintf(text, MIEN_FACE_TEXT_BYTES, "%s", color);
    else if (strcmp(name, "age") == 0)
        (void)snprintf(text, MIEN_FACE_TEXT_BYTES, "%u", face->age);
    else if (strcmp(name, "skin") == 0)
        (void)snprintf(text, MIEN_FACE_TEXT_BYTES, "%.3f", face->skin);
    else if (strcmp(name, "text") == 0)
        describe(face, lengths[face->hair_length], color, text);
    else
        return false;
    return true;
}
