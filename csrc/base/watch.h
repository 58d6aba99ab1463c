/* SPDX-License-Identifier: Apache-2.0 */
/* Long work asks now and then whether its caller still wants it. */
#ifndef DEBERTA_BASE_WATCH_H
#define DEBERTA_BASE_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct watch {
    bool (*stop)(void *data); /* called by the thread that began the watch; NULL: nobody is asked */
    void *data;
    _Atomic bool stopped;
};

/* What a thread watches while it works. Starts as {0}. */
struct watching {
    struct watch *watch;
    bool asks; /* the caller; its helpers see only whether it was told to stop */
};

#define WATCH_WORK ((size_t)1 << 16) /* bytes of a text between two questions */

extern _Thread_local size_t watch_work;

/* Sets what this thread watches, and returns what it watched before, to be set again afterwards. */
struct watching watch_set(struct watching watching);
struct watching watch_current(void);

/* DEBERTA_STOPPED when the work is to end. */
enum deberta_status watch_ask(void);

/* The same once in a while, after so much work. */
MUST_USE static inline enum deberta_status watch_look(size_t work)
{
    watch_work += work;
    return watch_work < WATCH_WORK ? DEBERTA_OK : watch_ask();
}

#endif
