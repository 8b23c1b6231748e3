/* A folder of faces: FDIR/ *.png (one device) or FDIR/<device>/ *.png (a device a folder), with an
 * optional attributes.csv at the top.
 *
 * Names are sorted, so that the same folder gives the same order everywhere. Pictures are read one
 * at a time when asked for.
 *
 * Threads: an open folder is read-only
 */
#ifndef MIEN_DATA_FOLDER_H
#define MIEN_DATA_FOLDER_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mien_folder;

/* Lists a folder and reads its attributes.csv. Files that begin with a dot, and files that are no
 * .png, .jpg or .jpeg, are passed over.
 *
 *   out     given: end it with mien_folder_free
 *   errors  MIEN_ENOTFOUND  no such folder, no faces in it, or a line of attributes.csv that names
 *                           no file (err: which)
 *           MIEN_EINVAL     faces at the top and in folders
 *           MIEN_EPARSE     attributes.csv
 *           MIEN_EIO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_folder_open(const char *dir, struct mien_folder **out,
                                             struct mien_err *err);

void mien_folder_free(struct mien_folder *folder);

/* Whether faces lie at the top: one device, without a name. */
bool mien_folder_flat(const struct mien_folder *folder);

size_t mien_folder_n_devices(const struct mien_folder *folder);

/* A device's name: its folder's; "" for a flat one. Valid until free. */
const char *mien_folder_device(const struct mien_folder *folder, size_t device);

size_t mien_folder_n_faces(const struct mien_folder *folder, size_t device);

/* Reads a face as size x size pixels (cropped square, resized by area).
 *
 *   pixels  [size, size, channels] out
 *   errors  MIEN_EPARSE, MIEN_ELIMIT  the picture (err: its path)
 *           MIEN_ENOTFOUND, MIEN_EIO, MIEN_ENOMEM
 */
struct mien_folder_face {
    size_t device;
    size_t index;
    uint32_t size;
    uint32_t channels;
};

MIEN_CHECK enum mien_status mien_folder_read(const struct mien_folder *folder,
                                             const struct mien_folder_face *face, uint8_t *pixels,
                                             struct mien_err *err);

/* A face's attribute as text, or NULL when it is not known. Valid until free. */
const char *mien_folder_attribute(const struct mien_folder *folder, size_t device, size_t index,
                                  const char *name);

#endif
