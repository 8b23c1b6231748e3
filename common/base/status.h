/* Every status code of the project, in one table.
 *
 * A status says why something could not be done. Expected outcomes are values in `out`, never a
 * status. Installed as mien/status.h; C99 and C++.
 *
 * Threads: any
 */
#ifndef MIEN_BASE_STATUS_H
#define MIEN_BASE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* name, text, exit status of a program that ends with it (design: 1 machine, 2 input, 3 policy) */
#define MIEN_STATUS_TABLE(X)                                                                       \
    X(MIEN_OK, "done", 0)                                                                          \
    X(MIEN_EINVAL, "an argument is out of range", 2)                                               \
    X(MIEN_EPARSE, "the input is malformed", 2)                                                    \
    X(MIEN_ELIMIT, "a size or count is over its limit", 2)                                         \
    X(MIEN_ENOTFOUND, "there is no such thing", 2)                                                 \
    X(MIEN_EEXIST, "it exists already", 2)                                                         \
    X(MIEN_EEXPIRED, "it is no longer valid", 2)                                                   \
    X(MIEN_EAUTH, "the peer or signature is not who or what it claims", 2)                         \
    X(MIEN_ECORRUPT, "stored data does not match its checksum or chain", 1)                        \
    X(MIEN_EPOLICY, "refused by policy", 3)                                                        \
    X(MIEN_ESTATE, "not possible in this state", 1)                                                \
    X(MIEN_EBUSY, "held by another process", 1)                                                    \
    X(MIEN_ENOMEM, "out of memory", 1)                                                             \
    X(MIEN_ENOSPC, "no space left on the device", 1)                                               \
    X(MIEN_EIO, "input or output failed", 1)                                                       \
    X(MIEN_ENET, "the network failed", 1)                                                          \
    X(MIEN_ECRYPTO, "the cryptographic library failed", 1)                                         \
    X(MIEN_ECANCELED, "canceled", 1)

#define MIEN_STATUS_ENUM(name, text, exit_status) name,
enum mien_status { MIEN_STATUS_TABLE(MIEN_STATUS_ENUM) MIEN_N_STATUS };
#undef MIEN_STATUS_ENUM

/* The code's name ("MIEN_EINVAL"), or "MIEN_?" for a number that is no code. Static storage. */
const char *mien_status_name(enum mien_status status);

/* One short phrase that says what the code means. Static storage. */
const char *mien_status_text(enum mien_status status);

/* The exit status of a program that ends with this code: 0, 1, 2 or 3. */
int mien_status_exit(enum mien_status status);

#ifdef __cplusplus
}
#endif

#endif
