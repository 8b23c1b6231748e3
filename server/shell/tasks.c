// SPDX-License-Identifier: Apache-2.0
#include "server/shell/daemon.h"

static void work(uv_work_t *req) /* worker thread */
{
    struct mien_daemon *daemon = req->data;

    daemon->first_task->work(daemon->first_task);
}

static void start(struct mien_daemon *daemon);

static void done(uv_work_t *req, int uv_status) /* loop thread */
{
    struct mien_daemon *daemon = req->data;
    struct mien_task *task = daemon->first_task;

    (void)uv_status; /* tasks are never cancelled: the loop runs until the last is done */
    daemon->first_task = task->next;
    if (daemon->first_task == NULL)
        daemon->last_task = NULL;
    daemon->working = false;
    task->done(task); /* may queue, and so start, another */
    if (daemon->first_task != NULL && !daemon->working)
        start(daemon);
    mien_daemon_settle(daemon);
}

static void start(struct mien_daemon *daemon)
{
    /* uv_queue_work fails only without a work callback. */
    daemon->work.data = daemon;
    daemon->working = true;
    (void)uv_queue_work(&daemon->loop, &daemon->work, work, done);
}

void mien_task_queue(struct mien_daemon *daemon, struct mien_task *task)
{
    task->daemon = daemon;
    task->next = NULL;
    if (daemon->first_task == NULL)
        daemon->first_task = task;
    else
        daemon->last_task->next = task;
    daemon->last_task = task;
    if (!daemon->working)
        start(daemon);
}

static void job_work(struct mien_task *task) /* worker thread */
{
    mien_job_run(task->daemon->job);
}

static void job_done(struct mien_task *task) /* loop thread */
{
    struct mien_daemon *daemon = task->daemon;
    struct mien_job *job = daemon->job;

    daemon->job = NULL;
    mien_coordinator_job_done(daemon->core, mien_daemon_now(daemon), job);
}

void mien_daemon_run_job(void *self, struct mien_job *job)
{
    struct mien_daemon *daemon = self;

    daemon->job = job;
    daemon->core_task.work = job_work;
    daemon->core_task.done = job_done;
    mien_task_queue(daemon, &daemon->core_task);
}
