/* SPDX-License-Identifier: Apache-2.0 */
#include "base/watch.h"

#include "base/threads.h"

_Thread_local size_t watch_work;
static _Thread_local struct watching current;

struct watching watch_set(struct watching watching)
{
    struct watching before = current;
    current = watching;
    return before;
}

struct watching watch_current(void)
{
    return current;
}

struct watching watch_begin(struct watch *watch)
{
    watch->stopped = false;
    return watch_set((struct watching){.watch = watch, .calls_stop = watch->stop != NULL});
}

enum deberta_status watch_end(struct watch *watch, struct watching before, enum deberta_status status)
{
    watch_set(before);
    return watch->stopped ? fail(DEBERTA_STOPPED, "stopped") : status;
}

/* What the callback does is not part of the work. */
static bool asks_to_stop(const struct watch *watch)
{
    struct watching before = watch_set((struct watching){0});
    int saved = threads_save();
    bool stop = watch->stop(watch->data);
    threads_restore(saved);
    watch_set(before);
    return stop;
}

enum deberta_status watch_check(void)
{
    watch_work = 0;
    struct watch *watch = current.watch;
    if (!watch)
        return DEBERTA_OK;
    if (current.calls_stop && !watch->stopped && asks_to_stop(watch))
        watch->stopped = true;
    return watch->stopped ? fail(DEBERTA_STOPPED, "stopped") : DEBERTA_OK;
}
