/* A folder of faces as the examples of a device.
 *
 * All pictures are read once at the start, so that one that cannot be read is said before the
 * device takes part; then each is read again when a round asks for it, so that memory does not
 * grow with the folder.
 *
 * Threads: one at a time
 */
#ifndef MIEN_CLIENT_DEMO_FACES_H
#define MIEN_CLIENT_DEMO_FACES_H

#include "common/base/err.h"

#include <stddef.h>

struct mien_faces;

/* Opens a folder of pictures.
 *
 *   out     given: end it with mien_faces_free
 *   errors  MIEN_ENOTFOUND  no such folder, or no faces in it
 *           MIEN_EINVAL     it has a folder for each device: that is for mien-sim
 *           MIEN_EPARSE     a picture or attributes.csv that cannot be read, named
 *           MIEN_EIO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_faces_open(const char *dir, struct mien_faces **out,
                                            struct mien_err *err);

void mien_faces_free(struct mien_faces *faces);

/* Callbacks of struct mien_client_host; self is the faces. */
size_t mien_faces_count(void *self);
enum mien_status mien_faces_example(void *self, size_t index, unsigned size, unsigned channels,
                                    float *pixels);
const char *mien_faces_attribute(void *self, size_t index, const char *name);

#endif
