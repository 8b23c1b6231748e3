/* Faces to train on or to compare with: a folder, or "procedural", held in memory as bytes.
 *
 * Threads: one at a time
 */
#ifndef MIEN_TOOLS_FACES_SOURCE_H
#define MIEN_TOOLS_FACES_SOURCE_H

#include "common/nn/trainer.h"

struct mien_faces_source;

/* Reads all faces of a folder (of one device, or of many: they are put together), or draws
 * procedural ones, in the plan's size and channels, with the attributes of the plan.
 *
 *   faces   a path, or "procedural": drawn faces of all kinds, or "procedural-plain": of people
 *           without glasses and hats
 *   seed    of procedural faces
 *   out     given: end it with mien_faces_source_free
 *   errors  those of data/folder.h; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_faces_source_open(const char *faces, const struct mien_plan *plan,
                                                   uint64_t seed, struct mien_faces_source **out,
                                                   struct mien_err *err);

void mien_faces_source_free(struct mien_faces_source *source);

/* The faces as examples; lent by the source. */
struct mien_examples mien_faces_source_examples(struct mien_faces_source *source);

#endif
