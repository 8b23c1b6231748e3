// SPDX-License-Identifier: Apache-2.0
/* mien restore: takes a rolled-back ledger into use and charges for what is lost. */
#include "server/store/statedir.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <stdio.h>

static enum mien_status run(const char *dir, bool accept_loss, struct mien_err *err)
{
    struct mien_pki pki = {0};
    int lock_fd = -1;
    uint64_t n_charged = 0;
    enum mien_status status;

    if (!accept_loss)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the releases that may have been made in the lost part will be "
                            "charged: say --accept-loss");
    status = mien_statedir_lock(dir, &lock_fd, err);
    if (status == MIEN_OK)
        status = mien_pki_read(dir, &pki, err);
    if (status == MIEN_OK)
        status = mien_store_restore(dir, pki.signing_seed, &n_charged, err);
    if (status == MIEN_OK)
        (void)fprintf(stderr, "the ledger is in use again; %" PRIu64 " releases were charged\n",
                      n_charged);
    mien_pki_fini(&pki);
    mien_statedir_unlock(lock_fd);
    return status;
}

int mien_tool_restore(int argc, char **argv)
{
    bool accept_loss = false;
    const struct mien_option options[] = {
        {"--accept-loss", MIEN_OPTION_FLAG, &accept_loss, NULL,
         "charge the most that the lost part can have spent"},
    };
    const struct mien_command command = {
        .name = "mien restore",
        .synopsis = "DIR --accept-loss",
        .about = "Takes a ledger into use that is behind its anchor (a restored backup), and "
                 "charges the most that the lost part can have spent.",
        .options = options,
        .n_options = 1,
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(operands[0], accept_loss, &err);
    return mien_command_end(&command, status, &err);
}
