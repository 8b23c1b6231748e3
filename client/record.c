// SPDX-License-Identifier: Apache-2.0
#include "client/record.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { FLAG_WAITS = 1, FLAG_SPENT = 2 };

static enum mien_status append_real(struct mien_buf *out, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return mien_buf_append_be64(out, bits);
}

static double read_real(struct mien_reader *reader)
{
    const uint64_t bits = mien_read_be64(reader);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static enum mien_status append_spent(const struct mien_client_record *record, struct mien_buf *out)
{
    enum mien_status status = MIEN_OK;

    if (record->n_spent > 0)
        status = mien_buf_append_u8(out, (uint8_t)record->n_spent);
    for (uint32_t i = 0; i < record->n_spent && status == MIEN_OK; i++) {
        status = append_real(out, record->spent[i].rate);
        if (status == MIEN_OK)
            status = append_real(out, record->spent[i].noise);
        if (status == MIEN_OK)
            status = mien_buf_append_be64(out, record->spent[i].n_steps);
    }
    return status;
}

static enum mien_status read_spent(struct mien_reader *reader, struct mien_client_record *record)
{
    record->n_spent = mien_read_u8(reader);
    if (record->n_spent == 0 || record->n_spent > MIEN_CLIENT_MAX_SPENT)
        return MIEN_ECORRUPT;
    for (uint32_t i = 0; i < record->n_spent; i++) {
        struct mien_client_spent *spent = &record->spent[i];

        spent->rate = read_real(reader);
        spent->noise = read_real(reader);
        spent->n_steps = mien_read_be64(reader);
        if (!(spent->rate > 0.0 && spent->rate <= 1.0) || !(spent->noise > 0.0) ||
            !isfinite(spent->noise) || spent->n_steps == 0)
            return MIEN_ECORRUPT;
    }
    return MIEN_OK;
}

enum mien_status mien_client_record_encode(const struct mien_client_record *record,
                                           struct mien_buf *out)
{
    const uint64_t numbers[] = {record->epoch,  record->seq,        record->sent_round,
                                record->n_sent, record->n_released, record->sent_attempt};
    enum mien_status status = mien_buf_append(out, record->head, sizeof(record->head));

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status == MIEN_OK; i++)
        status = mien_buf_append_be64(out, numbers[i]);
    if (status == MIEN_OK)
        status = mien_buf_append_u8(out, (uint8_t)((record->waits_for_close ? FLAG_WAITS : 0) |
                                                   (record->n_spent > 0 ? FLAG_SPENT : 0)));
    return status == MIEN_OK ? append_spent(record, out) : status;
}

enum mien_status mien_client_record_decode(struct mien_reader *reader,
                                           struct mien_client_record *record)
{
    struct mien_client_record read = {0};
    uint64_t attempt;
    uint8_t flags;

    mien_read_into(reader, read.head, sizeof(read.head));
    read.epoch = mien_read_be64(reader);
    read.seq = mien_read_be64(reader);
    read.sent_round = mien_read_be64(reader);
    read.n_sent = mien_read_be64(reader);
    read.n_released = mien_read_be64(reader);
    attempt = mien_read_be64(reader);
    flags = mien_read_u8(reader);
    if (attempt > UINT32_MAX || (flags & ~(FLAG_WAITS | FLAG_SPENT)) != 0 ||
        read.n_released > read.n_sent)
        return MIEN_ECORRUPT;
    read.sent_attempt = (uint32_t)attempt;
    read.waits_for_close = (flags & FLAG_WAITS) != 0;
    if ((flags & FLAG_SPENT) != 0 && read_spent(reader, &read) != MIEN_OK)
        return MIEN_ECORRUPT;
    *record = read;
    return MIEN_OK;
}

enum mien_status mien_client_record_see(struct mien_client_record *record, uint64_t epoch,
                                        uint64_t seq, const uint8_t head[32], bool *changed,
                                        struct mien_err *err)
{
    static const uint8_t none[32] = {0};
    bool first = memcmp(record->head, none, sizeof(none)) == 0;
    bool same = !first && epoch == record->epoch && seq == record->seq;
    bool behind = epoch < record->epoch || (epoch == record->epoch && seq < record->seq);

    if (behind)
        return mien_err_set(err, MIEN_EAUTH,
                            "the ledger went back from %" PRIu64 ":%" PRIu64 " to %" PRIu64
                            ":%" PRIu64,
                            record->epoch, record->seq, epoch, seq);
    if (same && memcmp(head, record->head, sizeof(record->head)) != 0)
        return mien_err_set(err, MIEN_EAUTH, "the ledger has two heads at %" PRIu64 ":%" PRIu64,
                            epoch, seq);
    *changed = !same;
    record->epoch = epoch;
    record->seq = seq;
    memcpy(record->head, head, sizeof(record->head));
    return MIEN_OK;
}

bool mien_client_record_may_send(const struct mien_client_record *record, uint64_t round,
                                 uint32_t attempt)
{
    if (record->n_sent == 0)
        return true;
    if (round != record->sent_round)
        return round > record->sent_round;
    return attempt > record->sent_attempt;
}
