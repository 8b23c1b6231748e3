// SPDX-License-Identifier: Apache-2.0
/* The host's callbacks as the core's surroundings. */
#include "client/client_internal.h"

#include "common/base/clock.h"
#include "common/base/secret.h"
#include "common/base/text.h"
#include "common/wire/identity.h"

#include <string.h>

enum mien_status mien_client_save(struct mien_client *client)
{
    struct mien_buf bytes = {0};
    enum mien_status status = mien_client_state_encode(&client->state, &bytes);

    if (status == MIEN_OK)
        status = client->config.host.save(client->config.host.self, bytes.data, bytes.len);
    mien_buf_wipe(&bytes);
    if (status != MIEN_OK)
        mien_client_say(client, MIEN_CLIENT_ERROR, "device.save", mien_status_text(status));
    return status;
}

/* What the core asks of its surroundings; self is the client. */

static enum mien_status core_send(void *self, const struct mien_message *message)
{
    return mien_link_send(self, message);
}

static enum mien_status core_save(void *self, const struct mien_client_record *record)
{
    struct mien_client *client = self;
    struct mien_client_record before = client->state.record;

    client->state.record = *record;
    enum mien_status status = mien_client_save(client);
    if (status != MIEN_OK)
        client->state.record = before;
    return status;
}

static enum mien_status core_load_own(void *self, uint8_t *bytes, size_t cap, size_t *len)
{
    const struct mien_client_host *host = &((struct mien_client *)self)->config.host;
    enum mien_status status = host->load_model(host->self, bytes, cap, len);

    return status == MIEN_OK && *len > cap ? MIEN_ECORRUPT : status;
}

static enum mien_status core_save_own(void *self, struct mien_span bytes)
{
    const struct mien_client_host *host = &((struct mien_client *)self)->config.host;

    return host->save_model(host->self, bytes.data, bytes.len);
}

static void core_log(void *self, enum mien_log_level level, const char *line)
{
    static const enum mien_client_level levels[] = {MIEN_CLIENT_ERROR, MIEN_CLIENT_WARN,
                                                    MIEN_CLIENT_INFO, MIEN_CLIENT_DEBUG};

    mien_client_log(self, levels[level], "%s", line);
}

static int64_t core_now_s(void *self)
{
    (void)self;
    return mien_clock_unix_s();
}

static size_t core_n_examples(void *self)
{
    const struct mien_client_host *host = &((struct mien_client *)self)->config.host;

    return host->n_examples(host->self);
}

static enum mien_status core_example(void *self, size_t index, unsigned size, unsigned channels,
                                     float *out)
{
    const struct mien_client_host *host = &((struct mien_client *)self)->config.host;

    return host->example(host->self, index, size, channels, out);
}

static const char *core_attribute(void *self, size_t index, const char *name)
{
    const struct mien_client_host *host = &((struct mien_client *)self)->config.host;

    return host->attribute == NULL ? NULL : host->attribute(host->self, index, name);
}

enum mien_status mien_client_make_core(struct mien_client *client)
{
    const struct mien_client_host *host = &client->config.host;
    const bool keeps = host->load_model != NULL && host->save_model != NULL;
    struct mien_client_core_config config = {
        .host = {.self = client,
                 .send = core_send,
                 .save = core_save,
                 .load_own = keeps ? core_load_own : NULL,
                 .save_own = keeps ? core_save_own : NULL,
                 .examples = {client, core_n_examples, core_example, core_attribute},
                 .now_s = core_now_s,
                 .log = core_log},
        .limits = client->limits,
        .identity = client->state.identity,
        .record = client->state.record,
        .rng = client->rng,
        .software = client->software,
    };
    struct mien_identity_cert cert;
    struct mien_span der = {client->state.cert, client->state.cert_len};
    enum mien_status status = mien_identity_cert_decode(der, &cert, NULL);

    if (status == MIEN_OK && client->known == NULL)
        status = mien_known_new(&client->known);
    config.known = client->known;
    if (status == MIEN_OK)
        status = mien_client_core_new(&config, &client->core);
    if (status == MIEN_OK)
        mien_hex(cert.device_id, sizeof(cert.device_id), client->device_id);
    mien_wipe(&config, sizeof(config));
    return status;
}
