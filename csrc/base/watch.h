/* SPDX-License-Identifier: Apache-2.0 */
/* Cancellation: long work checks at intervals whether its caller wants it to stop. */
#ifndef DEBERTA_BASE_WATCH_H
#define DEBERTA_BASE_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct watch {
    bool (*stop)(void *data); /* called by the thread that began the watch; or NULL */
    void *data;
    _Atomic bool stopped;
};

/* What a thread watches while it works. Starts as {0}. */
struct watching {
    struct watch *watch;
    bool calls_stop; /* true in the caller, which calls `stop`; its helpers only read `stopped` */
};

#define WATCH_WORK ((size_t)1 << 16) /* bytes of text between two checks */

extern _Thread_local size_t watch_work;

/* Sets what this thread watches and returns the previous value, which the caller restores. */
struct watching watch_set(struct watching watching);
struct watching watch_current(void);

/* Begins a watch on the thread that calls `stop`, and returns the previous value for its end. */
struct watching watch_begin(struct watch *watch);
/* The status of the work: DEBERTA_STOPPED if it was cancelled, which takes precedence over other failures. */
MUST_USE enum deberta_status watch_end(struct watch *watch, struct watching before, enum deberta_status status);

/* DEBERTA_STOPPED when the work must end. `stop` may do anything, even the same work on this thread. */
enum deberta_status watch_check(void);

/* The same once per WATCH_WORK of work. */
MUST_USE static inline enum deberta_status watch_look(size_t work)
{
    watch_work += work;
    return watch_work < WATCH_WORK ? DEBERTA_OK : watch_check();
}

/* The same for a loop that is too fast for it: once per WATCH_WORK of `at`, with `*asked` the place of the last check.
 * A function that returns no status may stop early instead: the next check of its caller fails, too. */
MUST_USE static inline enum deberta_status watch_pass(size_t at, size_t *asked)
{
    if (at - *asked < WATCH_WORK)
        return DEBERTA_OK;
    *asked = at;
    return watch_check();
}

#endif
