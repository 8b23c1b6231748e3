// SPDX-License-Identifier: Apache-2.0
#include "server/tools/account_curve.h"

#include "common/base/buf.h"
#include "server/tools/plain_file.h"

#include <inttypes.h>
#include <math.h>

#define N_POINTS 32
#define WIDTH 720.0
#define HEIGHT 440.0
#define LEFT 70.0
#define RIGHT 150.0
#define TOP 50.0
#define BOTTOM 60.0

/* A witness' line is drawn only where it leaves the others readable. */
#define MAX_SPREAD 6.0

enum line { LINE_PLD, LINE_RDP, LINE_GAUSSIAN, LINE_WITNESS, N_LINES };

static const struct {
    const char *label;
    const char *colour; /* readable for the colour-blind too (Okabe, Ito 2008) */
    const char *dash;
} lines[N_LINES] = {
    [LINE_PLD] = {"reader, PLD", "#0072b2", "none"},
    [LINE_RDP] = {"reader, RDP", "#d55e00", "7 4"},
    [LINE_GAUSSIAN] = {"exact", "#009e73", "none"},
    [LINE_WITNESS] = {"witness", "#555555", "2 3"},
};

struct curve {
    size_t n;
    double rounds[N_POINTS];
    double value[N_LINES][N_POINTS]; /* negative: no such figure */
    double top;                      /* of the epsilon axis */
    bool drawn[N_LINES];
};

static enum mien_status sample(const struct mien_account_ask *ask,
                               const struct mien_account_run *run, struct curve *curve,
                               struct mien_err *err)
{
    uint64_t last = 0;

    for (int i = 1; i <= N_POINTS; i++) {
        uint64_t rounds = (uint64_t)ceil((double)run->rounds * i / N_POINTS);
        struct mien_dp_cost cost;

        if (rounds == last)
            continue;
        enum mien_status status = mien_account_at(ask, run, rounds, &cost, err);
        if (status != MIEN_OK)
            return status;
        last = rounds;
        curve->rounds[curve->n] = (double)rounds;
        curve->value[LINE_PLD][curve->n] = cost.pld;
        curve->value[LINE_RDP][curve->n] = cost.rdp;
        curve->value[LINE_GAUSSIAN][curve->n] = cost.gaussian;
        curve->value[LINE_WITNESS][curve->n] =
            cost.gaussian == MIEN_DP_NOT_VALID ? cost.epsilon_witness : MIEN_DP_NOT_VALID;
        curve->n++;
    }
    return MIEN_OK;
}

static double highest(const struct curve *curve, enum line line)
{
    double high = -1.0;

    for (size_t i = 0; i < curve->n; i++) {
        if (!isfinite(curve->value[line][i]))
            return INFINITY;
        high = fmax(high, curve->value[line][i]);
    }
    return high;
}

/* The next of 1, 2, 2.5, 5, 10, ... */
static double nice(double value)
{
    static const double steps[] = {1.0, 2.0, 2.5, 5.0, 10.0};
    double unit = pow(10.0, floor(log10(value)));

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (value <= steps[i] * unit * (1.0 + 1e-9))
            return steps[i] * unit;
    }
    return 10.0 * unit;
}

static void choose_lines(struct curve *curve)
{
    double top = 0.0;

    for (int line = 0; line < N_LINES; line++) {
        double high = highest(curve, (enum line)line);
        bool fits = line != LINE_WITNESS || high <= MAX_SPREAD * top;

        curve->drawn[line] = high >= 0.0 && isfinite(high) && fits;
        if (curve->drawn[line])
            top = fmax(top, high);
    }
    curve->top = top > 0.0 ? nice(top / 5.0) * ceil(top / nice(top / 5.0)) : 1.0;
}

static double x_of(const struct curve *curve, double rounds)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * rounds / curve->rounds[curve->n - 1];
}

static double y_of(const struct curve *curve, double epsilon)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * epsilon / curve->top;
}

/* ---- the picture ---- */

static enum mien_status draw_axes(struct mien_buf *svg, const struct curve *curve)
{
    double step = nice(curve->top / 5.0 * 0.999);
    double span = nice(curve->rounds[curve->n - 1] / 5.0);
    enum mien_status status = MIEN_OK;

    for (double e = 0.0; status == MIEN_OK && e <= curve->top * 1.0001; e += step)
        status =
            mien_buf_printf(svg,
                            "<line x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                            "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                            LEFT, y_of(curve, e), WIDTH - RIGHT, y_of(curve, e), LEFT - 8.0,
                            y_of(curve, e) + 4.0, e);
    for (double t = 0.0; status == MIEN_OK && t <= curve->rounds[curve->n - 1] * 1.0001; t += span)
        status =
            mien_buf_printf(svg, "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%.0f</text>\n",
                            x_of(curve, t), HEIGHT - BOTTOM + 20.0, t);
    if (status == MIEN_OK)
        status = mien_buf_printf(svg,
                                 "<line x1=\"%g\" y1=\"%g\" x2=\"%g\" y2=\"%g\" stroke=\"#333\"/>"
                                 "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">rounds</text>"
                                 "<text x=\"18\" y=\"%g\" transform=\"rotate(-90 18 %g)\" "
                                 "text-anchor=\"middle\">epsilon</text>\n",
                                 LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM,
                                 (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM + 44.0,
                                 (TOP + HEIGHT - BOTTOM) / 2.0, (TOP + HEIGHT - BOTTOM) / 2.0);
    return status;
}

static enum mien_status draw_line(struct mien_buf *svg, const struct curve *curve, enum line line,
                                  double label_y)
{
    const double *value = curve->value[line];
    enum mien_status status =
        mien_buf_printf(svg,
                        "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" "
                        "stroke-dasharray=\"%s\" points=\"",
                        lines[line].colour, lines[line].dash);

    for (size_t i = 0; status == MIEN_OK && i < curve->n; i++)
        status = mien_buf_printf(svg, "%.1f,%.1f ", x_of(curve, curve->rounds[i]),
                                 y_of(curve, value[i]));
    if (status == MIEN_OK)
        status = mien_buf_printf(svg, "\"/><text x=\"%g\" y=\"%.1f\" fill=\"%s\">%s %.3g</text>\n",
                                 WIDTH - RIGHT + 8.0, label_y, lines[line].colour,
                                 lines[line].label, value[curve->n - 1]);
    return status;
}

/* Labels at the lines' ends, the highest first, moved apart where they would touch. */
static enum mien_status draw_lines(struct mien_buf *svg, const struct curve *curve)
{
    bool done[N_LINES] = {0};
    double free_from = 0.0;
    enum mien_status status = MIEN_OK;

    for (int i = 0; i < N_LINES && status == MIEN_OK; i++) {
        int next = -1;

        for (int line = 0; line < N_LINES; line++) {
            double end = curve->value[line][curve->n - 1];

            if (curve->drawn[line] && !done[line] &&
                (next < 0 || end > curve->value[next][curve->n - 1]))
                next = line;
        }
        if (next < 0)
            break;
        done[next] = true;
        double y = fmax(y_of(curve, curve->value[next][curve->n - 1]) + 4.0, free_from);
        free_from = y + 17.0;
        status = draw_line(svg, curve, (enum line)next, y);
    }
    return status;
}

static enum mien_status draw_title(struct mien_buf *svg, const struct mien_account_run *run)
{
    return mien_buf_printf(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" "
        "font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n"
        "<title>epsilon over rounds</title>\n"
        "<rect width=\"%g\" height=\"%g\" fill=\"white\"/>\n"
        "<text x=\"%g\" y=\"28\" font-size=\"15\">noise %.5g (%s), sampling %s, rate %.4g, "
        "delta %g</text>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, run->noise, run->mechanism,
        mien_sampling_name(run->event.sampling), run->rate, run->delta);
}

enum mien_status mien_account_curve(const struct mien_account_ask *ask,
                                    const struct mien_account_run *run, const char *path,
                                    struct mien_err *err)
{
    struct curve curve = {0};
    struct mien_buf svg = {0};
    enum mien_status status = sample(ask, run, &curve, err);

    if (status != MIEN_OK)
        return status;
    choose_lines(&curve);
    if (!curve.drawn[LINE_PLD] && !curve.drawn[LINE_RDP] && !curve.drawn[LINE_GAUSSIAN])
        return mien_err_set(err, MIEN_EINVAL, "there is no finite epsilon to draw");
    status = draw_title(&svg, run);
    if (status == MIEN_OK)
        status = draw_axes(&svg, &curve);
    if (status == MIEN_OK)
        status = draw_lines(&svg, &curve);
    if (status == MIEN_OK)
        status = mien_buf_printf(&svg, "</svg>\n");
    if (status == MIEN_OK)
        status = mien_tool_write_plain(path, mien_buf_span(&svg), err);
    mien_buf_fini(&svg);
    return status;
}
