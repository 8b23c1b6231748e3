/* mien.conf: the plan and where and within which limits the daemon works.
 *
 * INI (libinih: a line has at most 199 bytes; plan.attributes may go on in indented lines).
 * Sections plan, round, secure_sum and privacy are the plan's keys (common/plan/keys.h); noise,
 * listen, limits and plan.preset, plan.init_from are this module's. A key that is not known is
 * refused with its line and the nearest name.
 *
 * Threads: any; a configuration is a value
 */
#ifndef MIEN_STORE_CONFIG_H
#define MIEN_STORE_CONFIG_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/plan/plan.h"

#include <stdint.h>

#define MIEN_CONFIG_HOST_BYTES 254 /* the longest DNS name, with the NUL */
#define MIEN_CONFIG_PATH_BYTES 1024

struct mien_config {
    char preset[32];                        /* plan.preset: where the plan starts from */
    char init_from[MIEN_CONFIG_PATH_BYTES]; /* plan.init_from: "" for a seeded start */
    struct mien_plan plan;

    char key_file[MIEN_CONFIG_PATH_BYTES]; /* noise.key_file: "" for DIR.run-key (run_key.h) */

    char host[MIEN_CONFIG_HOST_BYTES]; /* listen.host: in tokens and the server's certificate */
    char bind[MIEN_CONFIG_HOST_BYTES]; /* listen.bind: address to listen on; "" for one that fits
                                          host */
    uint16_t port;                     /* listen.port: devices */
    uint16_t enrol_port;               /* listen.enrol_port: new devices; 0 for port + 1 */
    uint16_t admin_port;               /* listen.admin_port: metrics, loopback; 0 for none */

    uint32_t connections;      /* limits.connections: devices at once */
    uint32_t handshakes;       /* limits.handshakes: TLS handshakes in progress at once */
    uint32_t handshake_s;      /* limits.handshake_s: for one */
    uint32_t upload_slots;     /* limits.upload_slots: masked vectors in transfer at once */
    uint32_t step_s;           /* limits.step_s: for one step of a secure sum */
    uint32_t idle_s;           /* limits.idle_s: silence after which a connection is closed */
    uint32_t come_back_s;      /* limits.come_back_s: until an idle device asks again */
    uint32_t drain_s;          /* limits.drain_s: for the open round at SIGTERM */
    uint32_t certificate_days; /* limits.certificate_days */
    uint32_t threads;          /* limits.threads: workers; 0 for one a processor */
};

/* The defaults on top of a preset.  errors  MIEN_ENOTFOUND  no such preset (err: the nearest) */
MIEN_CHECK enum mien_status mien_config_init(const char *preset, struct mien_config *out,
                                             struct mien_err *err);

/* Sets one key ("listen.port"). Unchanged on error.
 *
 *   errors  MIEN_ENOTFOUND  no such key (err says the nearest)
 *           MIEN_EPARSE, MIEN_ELIMIT, MIEN_EINVAL  the value
 */
MIEN_CHECK enum mien_status mien_config_set(struct mien_config *config, const char *key,
                                            const char *value, struct mien_err *err);

/* Sets one "section.key=value", as --set takes it.  errors  as mien_config_set */
MIEN_CHECK enum mien_status mien_config_set_pair(struct mien_config *config, const char *pair,
                                                 struct mien_err *err);

/* Whether the whole holds together (mien_plan_validate too); fills in what depends on other keys:
 * enrol_port 0 becomes port + 1, an empty bind an address.  errors  MIEN_EINVAL, MIEN_ELIMIT */
MIEN_CHECK enum mien_status mien_config_check(struct mien_config *config, struct mien_err *err);

/* Reads INI text; the whole is checked (mien_config_check). err names the line.
 *
 *   name    of the file, for err
 *   errors  as mien_config_set; MIEN_EPARSE  no INI; MIEN_EEXIST  a key stands twice
 */
MIEN_CHECK enum mien_status mien_config_parse(const char *name, const char *text,
                                              struct mien_config *out, struct mien_err *err);

/* Reads a file.  errors  as mien_config_parse, and those of mien_file_read */
MIEN_CHECK enum mien_status mien_config_read(const char *path, struct mien_config *out,
                                             struct mien_err *err);

/* Adds the whole file as text, every key with its unit, help and value.  errors  MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_config_write(const struct mien_config *config,
                                              struct mien_buf *out);

/* One key of listen and limits, for documents. */
struct mien_config_key {
    const char *name;
    const char *unit;
    const char *help;
};

size_t mien_config_n_keys(void);

/* Key number i. Static storage. */
struct mien_config_key mien_config_key(size_t i);

#endif
