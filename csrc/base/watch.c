/* SPDX-License-Identifier: Apache-2.0 */
#include "base/watch.h"

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

enum deberta_status watch_check(void)
{
    watch_work = 0;
    struct watch *watch = current.watch;
    if (!watch)
        return DEBERTA_OK;
    if (current.calls_stop && !watch->stopped && watch->stop && watch->stop(watch->data))
        watch->stopped = true;
    return watch->stopped ? fail(DEBERTA_STOPPED, "stopped") : DEBERTA_OK;
}
