/* An entry of every kind, for tests and the fuzzer's corpus. */
#ifndef MIEN_TESTS_UNIT_STORE_ENTRY_SAMPLES_H
#define MIEN_TESTS_UNIT_STORE_ENTRY_SAMPLES_H

#include "server/store/entry.h"

#include "tests/unit/store/fixture.h"

static inline struct mien_entry entry_of(enum mien_entry_kind kind)
{
    struct mien_entry e = {.kind = kind, .epoch = 3, .seq = 17, .software = "0.1.0"};
    const struct mien_entry_plan plan = fixture_plan();

    switch (kind) {
    case MIEN_ENTRY_GENESIS:
        memset(&e.genesis, 0x5a, sizeof(e.genesis));
        break;
    case MIEN_ENTRY_PLAN:
        e.plan = plan;
        break;
    case MIEN_ENTRY_COMMIT:
        e.model = (struct mien_entry_model){2, 1, 5, {1}, {2}};
        break;
    case MIEN_ENTRY_ROUND_OPEN:
        e.round_open = (struct mien_entry_round_open){2, 1, 4, {1}, {2}};
        break;
    case MIEN_ENTRY_RESERVE:
        e.reserve = (struct mien_entry_reserve){2, 1, plan.mechanism, {3}};
        break;
    case MIEN_ENTRY_ABANDON:
        e.abandon = (struct mien_entry_abandon){2, 1, true};
        break;
    case MIEN_ENTRY_RESTORE:
        e.restore = (struct mien_entry_restore){2, 9, {7}, 3, plan.mechanism, 4, {5}, {6}};
        break;
    default:
        break;
    }
    return e;
}

#endif
