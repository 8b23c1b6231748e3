// SPDX-License-Identifier: Apache-2.0
/* mien restore: takes a rolled-back ledger into use and charges for what is lost. */
#include "server/store/statedir.h"
#include "server/tools/tools.h"

#include <inttypes.h>
#include <stdio.h>

static enum mien_status run(const char *dir, bool accept_loss, const struct mien_store_loss *loss,
                            struct mien_err *err)
{
    struct mien_pki pki = {0};
    int lock_fd = -1;
    struct mien_store_restored restored;
    enum mien_status status;

    if (!accept_loss)
        return mien_err_set(err, MIEN_EPOLICY,
                            "the releases that may have been made in the lost part will be "
                            "charged: say --accept-loss");
    status = mien_statedir_lock(dir, &lock_fd, err);
    if (status == MIEN_OK)
        status = mien_pki_read(dir, &pki, err);
    if (status == MIEN_OK)
        status = mien_store_restore(dir, pki.signing_seed, loss, &restored, err);
    if (status == MIEN_OK)
        (void)fprintf(stderr,
                      "the ledger is in use again, from model version %" PRIu64 "; %" PRIu64
                      " releases were charged for the loss\n",
                      restored.version, restored.n_charged);
    mien_pki_fini(&pki);
    mien_statedir_unlock(lock_fd);
    return status;
}

int mien_tool_restore(int argc, char **argv)
{
    bool accept_loss = false;
    struct mien_store_loss loss = {0};
    const struct mien_option options[] = {
        {"--accept-loss", MIEN_OPTION_FLAG, &accept_loss, NULL,
         "charge the most that the lost part can have spent"},
        {"--releases", MIEN_OPTION_NUMBER, &loss.n_releases, "N",
         "charge at least N: for a loss that the directory does not show, or shows too small"},
        {"--epoch", MIEN_OPTION_NUMBER, &loss.epoch, "E",
         "the highest epoch that a device says it has seen (\"the ledger went back from E:...\")"},
    };
    const struct mien_command command = {
        .name = "mien restore",
        .synopsis = "DIR --accept-loss [--releases N] [--epoch E]",
        .about = "Takes a directory into use whose ledger, anchor or models were put back from an "
                 "older copy, and charges the most that the lost part can have spent.",
        .options = options,
        .n_options = 3,
        .min_operands = 1,
        .max_operands = 1,
    };
    const char *operands[1];
    struct mien_err err = {0};
    bool done = false;
    enum mien_status status = mien_options_parse(&command, argc, argv, operands, &done, &err);

    if (status == MIEN_OK && !done)
        status = run(operands[0], accept_loss, &loss, &err);
    return mien_command_end(&command, status, &err);
}
