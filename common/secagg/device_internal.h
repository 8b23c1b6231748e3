/* What the files of a device's session share: device.c begins it (keys, roll, roster),
 * device_mask.c has shares and masks, device_reveal.c survivors and after.
 *
 * Threads: as device.h
 */
#ifndef MIEN_SECAGG_DEVICE_INTERNAL_H
#define MIEN_SECAGG_DEVICE_INTERNAL_H

#include "common/secagg/channel.h"
#include "common/secagg/device.h"
#include "common/secagg/graph.h"

enum mien_device_state {
    MIEN_DEVICE_ROLL,
    MIEN_DEVICE_ROSTER,
    MIEN_DEVICE_SHARES, /* roster complete: shares go out, shares come in */
    MIEN_DEVICE_MASK,
    MIEN_DEVICE_SURVIVORS,
    MIEN_DEVICE_CONFIRM,
    MIEN_DEVICE_REVEAL,
    MIEN_DEVICE_OVER,
};

/* A neighbour, or the device itself. */
struct mien_device_peer {
    uint32_t index;
    bool is_holder;  /* its shares of this device's secrets, and the other way round */
    bool in_roster;  /* its keys have come */
    bool has_shares; /* sent its shares: masks are made with it */
    bool voted;      /* a signature of the survivors has come */
    uint8_t device_id[MIEN_DEVICE_ID_BYTES];
    uint8_t identity[32];
    struct mien_session_keys keys;
    bool has_shared;                   /* the channel's secret is there */
    uint8_t shared[MIEN_KEY_BYTES];    /* secret: of the channel keys, for both directions */
    struct mien_channel_shares own;    /* secret: of our seeds, for it */
    struct mien_channel_shares theirs; /* secret: of its seeds, for us */
};

struct mien_secagg_device {
    struct mien_secagg_device_config config; /* device_key: wiped once it has signed */
    uint8_t session_id[MIEN_SESSION_ID_BYTES];
    enum mien_device_state state;
    uint8_t device_id[MIEN_DEVICE_ID_BYTES];
    uint8_t key_seed[MIEN_SEED_BYTES];  /* secret */
    uint8_t self_seed[MIEN_SEED_BYTES]; /* secret */
    struct mien_x25519 *mask_key;       /* secret */
    struct mien_x25519 *channel_key;    /* secret */
    struct mien_session_keys keys;
    uint8_t *roll;                        /* [n] entries, until the roster is complete */
    uint8_t with_keys[MIEN_BITMAP_BYTES]; /* who in the roll sent keys */
    uint32_t n_roll;
    uint32_t n_with_keys;
    uint32_t next_index; /* of the roster */
    uint32_t n_peers;
    struct mien_device_peer *peer; /* [n_peers], indices rising; this device is one */
    uint32_t n_votes;              /* of holders, for the survivors */
    uint8_t survivors[MIEN_BITMAP_BYTES];
    uint8_t root[32];
};

/* The session is over for this device: wipes what it knows. Returns the status. */
enum mien_status mien_device_give_up(struct mien_secagg_device *d, enum mien_status status);

/* Wipes the private keys. */
void mien_device_forget_keys(struct mien_secagg_device *d);

/* The peer with this index, or NULL. */
struct mien_device_peer *mien_device_find(const struct mien_secagg_device *d, uint32_t index);

#endif
