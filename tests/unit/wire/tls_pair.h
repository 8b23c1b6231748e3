/* Two ends of a TLS connection in memory and the wire between them, for tests. */
#ifndef MIEN_TESTS_UNIT_WIRE_TLS_PAIR_H
#define MIEN_TESTS_UNIT_WIRE_TLS_PAIR_H

#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/wire/tls.h"
#include "tests/unit/wire/authority.h"

/* Everything that the pairs below need, made once. */
static struct {
    struct authority ca;
    struct authority other_ca;
    struct leaf server;
    struct leaf device;
    struct leaf expired;
    struct leaf early;
    struct leaf stranger; /* a device under the other authority */
    struct leaf other_server;
} pki;

static inline int make_pki(void **state)
{
    (void)state;
    pki.ca = authority_new();
    pki.other_ca = authority_new();
    pki.server = leaf_new(&pki.ca, MIEN_ISSUE_SERVER, -60, 3600);
    pki.device = leaf_new(&pki.ca, MIEN_ISSUE_DEVICE, -60, 3600);
    pki.expired = leaf_new(&pki.ca, MIEN_ISSUE_DEVICE, -600, -60);
    pki.early = leaf_new(&pki.ca, MIEN_ISSUE_DEVICE, 600, 3600);
    pki.stranger = leaf_new(&pki.other_ca, MIEN_ISSUE_DEVICE, -60, 3600);
    pki.other_server = leaf_new(&pki.other_ca, MIEN_ISSUE_SERVER, -60, 3600);
    return 0;
}

static inline int free_pki(void **state)
{
    (void)state;
    struct leaf *leaves[] = {&pki.server, &pki.device,   &pki.expired,
                             &pki.early,  &pki.stranger, &pki.other_server};

    for (size_t i = 0; i < sizeof(leaves) / sizeof(*leaves); i++)
        mien_buf_fini(&leaves[i]->cert);
    mien_buf_fini(&pki.ca.cert);
    mien_buf_fini(&pki.other_ca.cert);
    return mien_mem_live() == 0 ? 0 : -1;
}

static inline struct mien_tls_context *context_of(enum mien_tls_role role, const struct leaf *leaf,
                                                  const struct authority *ca)
{
    struct mien_tls_context *context = NULL;
    struct mien_tls_config config = {.role = role};
    struct mien_err err = {0};

    if (leaf != NULL) {
        config.cert = mien_buf_span(&leaf->cert);
        config.key = leaf->seed;
        config.ca_cert = mien_buf_span(&ca->cert);
    } else {
        assert_int_equal(mien_digest(mien_buf_span(&ca->cert), config.ca_fingerprint), MIEN_OK);
    }
    assert_int_equal(mien_tls_context_new(&config, &context, &err), MIEN_OK);
    return context;
}

/* Two ends and the wire between them. */
struct pair {
    struct mien_tls_context *contexts[2];
    struct mien_tls *ends[2]; /* server, client */
    enum mien_status status[2];
    struct mien_err err[2];
};

enum { SERVER, CLIENT };

static inline struct pair pair_of(struct mien_tls_context *server, struct mien_tls_context *client)
{
    struct pair pair = {.contexts = {server, client}};

    for (int i = 0; i < 2; i++)
        assert_int_equal(mien_tls_new(pair.contexts[i], &pair.ends[i]), MIEN_OK);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        mien_tls_free(pair->ends[i]);
        mien_tls_context_free(pair->contexts[i]);
    }
}

/* Carries what one end has to the other, `step` bytes at a time; true when something moved. */
static inline bool carry(struct pair *pair, int from, size_t step)
{
    struct mien_tls *source = pair->ends[from];
    struct mien_tls *sink = pair->ends[!from];
    struct mien_span out = mien_tls_pending_out(source);
    size_t n = out.len < step ? out.len : step;
    uint8_t copy[4096];
    size_t got = 0;

    if (n == 0)
        return false;
    memcpy(copy, out.data, n);
    mien_tls_sent(source, n);
    if (pair->status[!from] == MIEN_OK)
        pair->status[!from] = mien_tls_feed(sink, (struct mien_span){copy, n}, &pair->err[!from]);
    if (pair->status[!from] == MIEN_OK)
        pair->status[!from] = mien_tls_read(sink, copy, sizeof(copy), &got, &pair->err[!from]);
    assert_int_equal(got, 0); /* no plain byte was sent */
    return true;
}

static inline void shake(struct pair *pair, size_t step)
{
    bool moved = true;

    while (moved) {
        moved = carry(pair, CLIENT, step);
        moved = carry(pair, SERVER, step) || moved;
    }
}

static inline struct pair good_pair(void)
{
    struct pair pair = pair_of(context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca),
                               context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca));

    shake(&pair, 4096);
    return pair;
}

#endif
