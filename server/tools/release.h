/* release.json: what a generated set is and what it costs, signed.
 *
 * Written beside generated pictures. The signature is Ed25519 over the file's bytes without the
 * "signature" member, in the one spelling that mien_release_write makes (docs/file-formats.md).
 * A set made from a model file alone has no ledger behind it: no epsilon is claimed then, and
 * nothing is signed.
 *
 * Threads: any
 */
#ifndef MIEN_TOOLS_RELEASE_H
#define MIEN_TOOLS_RELEASE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "server/store/statedir.h"

#include <stdint.h>

/* What the maker of a set knows. */
struct mien_release_set {
    uint64_t n_images;
    uint64_t seed;
    uint8_t metadata_digest[32]; /* SHA-256 of metadata.jsonl, which names each picture's digest */
};

/* Writes DIR/release.json for a set from the latest model of a state directory: model version and
 * digests, both epsilons, delta, unit, relation, sampling, plan constants, ledger place.
 *
 *   out_dir  of the set
 *   errors   MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_release_write(struct mien_statedir *state,
                                               const struct mien_release_set *set,
                                               const char *out_dir, struct mien_err *err);

/* Writes DIR/release.json for a set from a model file that stands alone: "ledger": null.
 *
 *   file_digest  [32] SHA-256 of the model file
 */
MIEN_CHECK enum mien_status mien_release_write_alone(const uint8_t file_digest[32],
                                                     const struct mien_release_set *set,
                                                     const char *out_dir, struct mien_err *err);

#endif
