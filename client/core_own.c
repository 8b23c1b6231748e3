// SPDX-License-Identifier: Apache-2.0
/* The part of a model that stays on the device from round to round.
 *
 * Kept as: "mienown" 1, H(plan) (32), the values as float32 little-endian. What belongs to another
 * plan is passed over: the device begins with the served model's part then, as at its first round.
 */
#include "client/core_internal.h"
#include "common/base/mem.h"

#include <string.h>

static const uint8_t magic[8] = {'m', 'i', 'e', 'n', 'o', 'w', 'n', 1};

#define HEADER_BYTES (sizeof(magic) + 32)

bool mien_core_own_missing(const struct mien_client_core *core)
{
    const struct mien_client_core_host *host = &core->config.host;

    return mien_plan_n_private(&core->round->plan) > 0 &&
           (host->load_own == NULL || host->save_own == NULL);
}

uint64_t mien_core_own_bytes(const struct mien_plan *plan)
{
    const uint64_t n = mien_plan_n_private(plan);

    return n == 0 ? 0 : HEADER_BYTES + sizeof(float) * n;
}

enum mien_status mien_core_own_load(struct mien_client_core *core, struct mien_buf *out)
{
    const struct mien_client_core_host *host = &core->config.host;
    const size_t bytes = (size_t)mien_core_own_bytes(&core->round->plan);
    size_t len = 0;

    if (bytes == 0)
        return MIEN_OK;
    enum mien_status status = mien_buf_reserve(out, bytes);
    if (status == MIEN_OK)
        status = host->load_own(host->self, out->data, bytes, &len);
    if (status != MIEN_OK)
        return status;
    if (len == bytes && memcmp(out->data, magic, sizeof(magic)) == 0 &&
        memcmp(out->data + sizeof(magic), core->round->assign.plan_hash, 32) == 0)
        out->len = bytes;
    return MIEN_OK;
}

struct mien_span mien_core_own_values(const struct mien_buf *own)
{
    if (own->len == 0)
        return (struct mien_span){NULL, 0};
    return (struct mien_span){own->data + HEADER_BYTES, own->len - HEADER_BYTES};
}

enum mien_status mien_core_own_save(struct mien_client_core *core)
{
    const struct mien_client_core_host *host = &core->config.host;
    struct mien_core_round *round = core->round;
    const size_t bytes = (size_t)mien_core_own_bytes(&round->plan);
    struct mien_buf own = {0};

    if (bytes == 0)
        return MIEN_OK;
    enum mien_status status = mien_buf_reserve(&own, bytes);
    if (status == MIEN_OK && mien_client_train_keep(round->train, own.data + HEADER_BYTES)) {
        memcpy(own.data, magic, sizeof(magic));
        memcpy(own.data + sizeof(magic), round->assign.plan_hash, 32);
        own.len = bytes;
        status = host->save_own(host->self, mien_buf_span(&own));
    }
    mien_buf_wipe(&own);
    return status;
}
