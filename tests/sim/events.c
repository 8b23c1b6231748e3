// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "tests/sim/world.h"

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    const struct sim_event kept = *a;

    *a = *b;
    *b = kept;
}

enum mien_status sim_push(struct sim_world *w, struct sim_event event)
{
    if (w->n_events == w->cap_events) {
        const size_t cap = w->cap_events == 0 ? 1024 : w->cap_events * 2;
        struct sim_event *grown = mien_reallocarray(w->events, cap, sizeof(*grown));

        if (grown == NULL) {
            mien_buf_fini(&event.frame);
            return MIEN_ENOMEM;
        }
        w->events = grown;
        w->cap_events = cap;
    }
    event.number = w->n_made++;
    size_t at = w->n_events++;
    w->events[at] = event;
    while (at > 0 && earlier(&w->events[at], &w->events[(at - 1) / 2])) {
        swap(&w->events[at], &w->events[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return MIEN_OK;
}

struct sim_event sim_pop(struct sim_world *w)
{
    const struct sim_event first = w->events[0];
    size_t at = 0;

    w->events[0] = w->events[--w->n_events];
    for (;;) {
        size_t least = at;

        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < w->n_events; child++)
            least = earlier(&w->events[child], &w->events[least]) ? child : least;
        if (least == at)
            return first;
        swap(&w->events[at], &w->events[least]);
        at = least;
    }
}
