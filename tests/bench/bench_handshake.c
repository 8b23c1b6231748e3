// SPDX-License-Identifier: Apache-2.0
/* How long a device's TLS handshake keeps the coordinator's loop: mutual TLS 1.3 as the daemon has
 * it, both ends in memory.
 *
 * Usage: bench_handshake [HANDSHAKES]   1000 unless said
 *
 * CPU time of the coordinator's end alone, a handshake: all of its calls, and the longest one of
 * them, which is what other devices wait for at once. A signature with the same key in the same run
 * says how much of it is arithmetic.
 */
#include "common/wire/identity.h"
#include "tests/bench/bench.h"
#include "tests/unit/wire/tls_pair.h"

struct times {
    double *all_ms;     /* [n] */
    double *longest_ms; /* [n] */
    double *device_ms;  /* [n] */
};

/* What one end has for the other; the time that the other end takes for it, in *ms. */
static bool pass(struct pair *pair, int from, double *ms)
{
    struct mien_tls *sink = pair->ends[!from];
    const struct mien_span out = mien_tls_pending_out(pair->ends[from]);
    uint8_t copy[16384];
    uint8_t plain[64];
    size_t got = 0;

    *ms = 0.0;
    if (out.len == 0)
        return false;
    need(out.len <= sizeof(copy) ? MIEN_OK : MIEN_ELIMIT, "a flight");
    const size_t n = out.len;
    memcpy(copy, out.data, n);
    mien_tls_sent(pair->ends[from], n);
    const double start = cpu_ms();
    need(mien_tls_feed(sink, (struct mien_span){copy, n}, NULL), "feed");
    need(mien_tls_read(sink, plain, sizeof(plain), &got, NULL), "read");
    *ms = cpu_ms() - start;
    return true;
}

static void handshake(struct mien_tls_context *server, struct mien_tls_context *client,
                      struct times *times, size_t i)
{
    struct pair pair = {.contexts = {server, client}};
    bool moved = true;
    double ms;

    double start = cpu_ms();
    need(mien_tls_new(server, &pair.ends[SERVER]), "server");
    times->all_ms[i] = cpu_ms() - start;
    start = cpu_ms();
    need(mien_tls_new(client, &pair.ends[CLIENT]), "client");
    times->device_ms[i] = cpu_ms() - start;
    while (moved) {
        moved = pass(&pair, CLIENT, &ms);
        times->all_ms[i] += ms;
        times->longest_ms[i] = ms > times->longest_ms[i] ? ms : times->longest_ms[i];
        moved = pass(&pair, SERVER, &ms) || moved;
        times->device_ms[i] += ms;
    }
    need(mien_tls_established(pair.ends[SERVER]) ? MIEN_OK : MIEN_ESTATE, "handshake");
    mien_tls_free(pair.ends[SERVER]);
    mien_tls_free(pair.ends[CLIENT]);
}

static double signature_ms(void)
{
    enum { RUNS = 200 };
    const uint8_t text[128] = {1};
    uint8_t signature[64];
    const double start = cpu_ms();

    for (int i = 0; i < RUNS; i++)
        need(mien_identity_sign(pki.server.seed, (struct mien_span){text, sizeof(text)}, signature),
             "signature");
    return (cpu_ms() - start) / RUNS;
}

int main(int argc, char **argv)
{
    const size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 1000;
    struct times times = {block(n, sizeof(double)), block(n, sizeof(double)),
                          block(n, sizeof(double))};

    if (n == 0)
        return 2;
    (void)make_pki(NULL);
    struct mien_tls_context *server = context_of(MIEN_TLS_COORDINATOR, &pki.server, &pki.ca);
    struct mien_tls_context *client = context_of(MIEN_TLS_DEVICE, &pki.device, &pki.ca);
    for (size_t i = 0; i < n; i++)
        handshake(server, client, &times, i);
    const double all = median_ms(times.all_ms, n);
    printf("coordinator: a handshake          %8.3f ms, the longest call of it %.3f ms\n", all,
           median_ms(times.longest_ms, n));
    printf("coordinator: 1,000 at once        %8.3f s\n", all);
    printf("device: a handshake               %8.3f ms\n", median_ms(times.device_ms, n));
    printf("a signature                       %8.3f ms\n", signature_ms());
    mien_tls_context_free(server);
    mien_tls_context_free(client);
    mien_free(times.all_ms);
    mien_free(times.longest_ms);
    mien_free(times.device_ms);
    return free_pki(NULL);
}
