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
 *   errors  those of data/folder.h; MIEN_ENOTFOUND  no text (charlm); MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_faces_source_open(const char *faces, const struct mien_plan *plan,
                                                   uint64_t seed, struct mien_faces_source **out,
                                                   struct mien_err *err);

void mien_faces_source_free(struct mien_faces_source *source);

/* The faces to train on as examples, or the texts about them (charlm); lent by the source. A gan
 * and moments get all; others get all but those held out. */
struct mien_examples mien_faces_source_examples(struct mien_faces_source *source);

/* The first eighth, to judge with: in a folder of devices those of the first devices, so that no
 * person is on both sides. All when there are fewer than 16. */
struct mien_examples mien_faces_source_held_out(struct mien_faces_source *source);

/* All of them, in the order of folders and names. */
struct mien_examples mien_faces_source_all(struct mien_faces_source *source);

#endif
