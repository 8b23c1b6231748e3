/* What recording and rebuilding share.
 *
 * Threads: one
 */
#ifndef MIEN_TESTS_SUPPORT_DISK_INTERNAL_H
#define MIEN_TESTS_SUPPORT_DISK_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_STEPS 20000
#define MAX_FDS 1024
#define MAX_FILES 512
#define NAME_BYTES 160

enum step_kind { CREATE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, SYNC_DIR, PROMISE };

struct step {
    enum step_kind kind;
    int file; /* CREATE, WRITE, TRUNCATE, SYNC */
    uint64_t at;
    size_t len;
    uint8_t *data;
    char name[NAME_BYTES]; /* below the directory; of SYNC_DIR the directory's, "" for the top */
    char to[NAME_BYTES];
};

/* An open descriptor below the directory. */
struct open_file {
    int file; /* -1: none */
    bool is_dir;
    char name[NAME_BYTES];
};

struct disk_state {
    char dir[PATH_MAX];
    bool on;
    struct step *steps;
    size_t n;
    int n_files;
    char names[MAX_FILES][NAME_BYTES]; /* present name of each file; "" when unlinked */
    char first[MAX_FILES][NAME_BYTES]; /* the name it had first */
    bool created[MAX_FILES];           /* since recording began */
    struct open_file fds[MAX_FDS];
    long fail_in;
    int fail_error;
};

extern struct disk_state disk;

/* Copies a name that must fit. */
void disk_set_name(char out[NAME_BYTES], const char *name);

#endif
