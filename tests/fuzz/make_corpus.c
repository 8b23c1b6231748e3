// SPDX-License-Identifier: Apache-2.0
/* Writes small seed corpora: one file per message type, a stream of frames, plans, a token, a
 * certificate, a request and their PEM text, files of tensors, a share, a credential, pictures, a
 * device's state. Run by hand when the protocol changes; the files are in the tree. */
#include "client/state.h"
#include "common/base/digest.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/data/image.h"
#include "common/nn/safetensors.h"
#include "common/plan/preset.h"
#include "common/secagg/credential.h"
#include "common/secagg/share.h"
#include "common/wire/identity.h"
#include "common/wire/issue.h"
#include "common/wire/plan_codec.h"
#include "common/wire/token.h"
#include "tests/unit/wire/samples.h"

#include <stdio.h>
#include <stdlib.h>

static const char *root;

static void need(enum mien_status status, const char *what)
{
    if (status == MIEN_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, mien_status_text(status));
    exit(mien_status_exit(status));
}

static void write_seed(const char *target, const char *name, struct mien_span bytes)
{
    char dir[4096];
    char path[4096];

    need(mien_dir_make(root, 0777, NULL), root);
    need(mien_path_join(root, target, dir, sizeof(dir)), target);
    need(mien_dir_make(dir, 0777, NULL), dir);
    need(mien_path_join(dir, name, path, sizeof(path)), name);
    need(mien_file_replace(path, bytes, 0644, NULL), path);
}

/* A seed with a byte in front that tells the target what follows. */
static void write_tagged(const char *target, const char *name, uint8_t tag, struct mien_span bytes)
{
    struct mien_buf out = {0};

    need(mien_buf_append_u8(&out, tag), name);
    need(mien_buf_append(&out, bytes.data, bytes.len), name);
    write_seed(target, name, mien_buf_span(&out));
    mien_buf_fini(&out);
}

static void shares_and_credentials(void)
{
    static const uint8_t ca_seed[32] = {9};
    const struct mien_share share = {{1, ((uint64_t)1 << 61) - 2, 1234567}};
    const struct mien_credential who = {.device_id = {1}, .key = {2}, .not_after = 1000};
    uint8_t bytes[MIEN_SHARE_BYTES];
    uint8_t credential[MIEN_CREDENTIAL_BYTES];

    mien_share_encode(&share, bytes);
    write_seed("share", "largest", (struct mien_span){bytes, sizeof(bytes)});
    need(mien_credential_issue(&who, ca_seed, credential), "credential");
    write_seed("credential", "valid", (struct mien_span){credential, sizeof(credential)});
}

/* Pictures of both kinds and both depths of colour. */
static void images(void)
{
    uint8_t pixels[4 * 3 * 3];

    for (unsigned channels = 1; channels <= 3; channels += 2) {
        const struct mien_image image = {
            .width = 4, .height = 3, .channels = channels, .pixels = pixels};
        struct mien_buf png = {0};

        for (size_t i = 0; i < sizeof(pixels); i++)
            pixels[i] = (uint8_t)(i * 37);
        need(mien_image_encode(&image, &png), "picture");
        write_seed("image", channels == 1 ? "grey.png" : "colour.png", mien_buf_span(&png));
        mien_buf_fini(&png);
    }
}

/* Without the digest at the end, which the target adds. */
static void device_states(void)
{
    struct mien_client_state state = {.enrolled = true,
                                      .host = "train.example.org",
                                      .port = 7443,
                                      .cert = {1},
                                      .cert_len = 3,
                                      .ca = {2},
                                      .ca_len = 5};
    struct mien_buf bytes = {0};

    state.record.sent_round = 4;
    need(mien_client_state_encode(&state, &bytes), "state");
    write_seed("device_state", "enrolled",
               (struct mien_span){bytes.data, bytes.len - MIEN_DIGEST_BYTES});
    mien_buf_fini(&bytes);
}

/* Two entries a list are enough for a seed. */
static void shorten(struct mien_message *message)
{
    if (message->type == MIEN_FRAME_ROSTER)
        message->roster.n_entries = 2;
    if (message->type == MIEN_FRAME_SHARES || message->type == MIEN_FRAME_DELIVER)
        message->shares.n_entries = 2;
    if (message->type == MIEN_FRAME_ROLL)
        message->roll.n_entries = 2;
    if (message->type == MIEN_FRAME_CONFIRMED)
        message->confirmed.n_entries = 2;
    if (message->type == MIEN_FRAME_REVEAL)
        message->reveal.n_entries = 2;
}

static void messages_and_frames(void)
{
    static struct sample_lists lists;
    struct mien_buf streams[4] = {0};
    static const char *const sides[] = {"coordinator", "device", "enrolment", "enrolling"};

    sample_lists_fill(&lists);
    for (unsigned type = 1; type < MIEN_FRAME_TYPE_END; type++) {
        struct mien_message message = sample((enum mien_frame_type)type, &lists);
        struct mien_buf frame = {0};

        shorten(&message);
        need(mien_message_encode(&message, &frame), "encode");
        write_seed("message", mien_frame_name(message.type),
                   (struct mien_span){frame.data + 4, frame.len - 4});
        for (unsigned side = 0; side < 4; side++) {
            struct mien_frame_reader reader;
            struct mien_span in = mien_buf_span(&frame);
            struct mien_frame out;
            bool whole = false;

            mien_frame_reader_init(&reader, (enum mien_frame_side)side);
            if (mien_frame_next(&reader, &in, &out, &whole, NULL) == MIEN_OK)
                need(mien_buf_append(&streams[side], frame.data, frame.len), "stream");
            mien_frame_reader_fini(&reader);
        }
        mien_buf_fini(&frame);
    }
    for (unsigned side = 0; side < 4; side++) {
        write_tagged("frame", sides[side], (uint8_t)(side | 7 << 2), mien_buf_span(&streams[side]));
        mien_buf_fini(&streams[side]);
    }
}

static void plans(void)
{
    for (const char *const *name = mien_preset_names(); *name != NULL; name++) {
        struct mien_plan plan;
        struct mien_buf bytes = {0};

        need(mien_plan_preset(*name, &plan, NULL), *name);
        need(mien_plan_encode(&plan, &bytes), *name);
        write_seed("plan", *name, mien_buf_span(&bytes));
        mien_buf_fini(&bytes);
    }
}

static void tokens(void)
{
    struct mien_token token = {.host = "train.example.org", .port = 7444, .secret = {1, 2, 3}};
    char text[MIEN_TOKEN_TEXT_BYTES];

    need(mien_token_encode(&token, text), "token");
    write_seed("token", "name", (struct mien_span){(const uint8_t *)text, strlen(text)});
}

static void certificates(void)
{
    /* Keys that protect nothing: they are in every copy of the tree. */
    static const uint8_t ca_seed[32] = {1};
    static const uint8_t seed[32] = {2};
    struct mien_issue_request request = {
        .kind = MIEN_ISSUE_DEVICE, .device_id = {3}, .not_before_s = 0, .not_after_s = 86400};
    struct mien_rng rng = mien_rng_system();
    struct mien_buf ca = {0};
    struct mien_buf cert = {0};
    struct mien_buf csr = {0};
    struct mien_buf pem = {0};

    need(mien_identity_public(seed, request.public_key), "key");
    need(mien_issue_ca(ca_seed, "mien fuzz", 0, 86400, &rng, &ca), "authority");
    need(mien_issue_cert(&request, ca_seed, mien_buf_span(&ca), &rng, &cert), "certificate");
    need(mien_identity_csr_encode(seed, &csr), "request");
    need(mien_identity_cert_to_pem(mien_buf_span(&cert), &pem), "PEM");
    write_tagged("cert", "authority", 'c', mien_buf_span(&ca));
    write_tagged("cert", "device", 'c', mien_buf_span(&cert));
    write_tagged("cert", "request", 'r', mien_buf_span(&csr));
    write_tagged("cert", "certificate.pem", 'p', mien_buf_span(&pem));
    mien_buf_fini(&ca);
    mien_buf_fini(&cert);
    mien_buf_fini(&csr);
    mien_buf_fini(&pem);
}

/* A file as mien writes it, and one as other programs do. */
static void tensors(void)
{
    static const char foreign[] =
        "{\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},\n\"b\":{\"shape\":[2,1],"
        "\"data_offsets\":[8,16],\"dtype\":\"F32\"},\"__metadata__\":{\"\\u00e9\":\"\\n\"}} ";
    const uint8_t prefix[8] = {sizeof(foreign) - 1};
    const uint8_t data[16] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 191};
    const float values[6] = {0.0f, 1.0f, -2.5f, 3e-38f, 1e30f, -0.0f};
    const struct mien_safetensors_item items[] = {{"d.0.weight", mien_shape2(3, 2), values},
                                                  {"g.0.bias", mien_shape1(2), values},
                                                  {"average.g.0.bias", mien_shape1(2), values}};
    const struct mien_safetensors_pair pairs[] = {{"mien_plan", "AB_-"}, {"mien_round", "7"}};
    struct mien_buf ours = {0};
    struct mien_buf theirs = {0};

    need(mien_safetensors_encode(items, 3, pairs, 2, &ours), "tensors");
    write_seed("safetensors", "ours", mien_buf_span(&ours));
    need(mien_buf_append(&theirs, prefix, sizeof(prefix)), "prefix");
    need(mien_buf_append(&theirs, foreign, sizeof(foreign) - 1), "header");
    need(mien_buf_append(&theirs, data, sizeof(data)), "data");
    write_seed("safetensors", "theirs", mien_buf_span(&theirs));
    mien_buf_fini(&ours);
    mien_buf_fini(&theirs);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    root = argv[1];
    messages_and_frames();
    plans();
    tokens();
    certificates();
    tensors();
    shares_and_credentials();
    images();
    device_states();
    return 0;
}
