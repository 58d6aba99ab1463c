/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/watch.h"

#define SPIN 2e-4        /* seconds that a thread spins before it sleeps */
#define PAUSES 16        /* between two readings of the clock */
#define LOOKS 50000000   /* nanoseconds between two checks of the watch while a caller waits for its helpers */
#define STALL 1e-4       /* a shorter wait for helpers does not show a busy machine */
#define STALL_FACTOR 2.0 /* after a stall, loops take no helpers for this many times its length */

/* A helper is free (IDLE) or belongs to a caller (TAKEN), which offers it a loop (OFFERED). The helper accepts (BUSY)
 * and returns to TAKEN; until it accepts, any worker of the loop may take the offer back. */
enum { MISSING = 0, IDLE, TAKEN, OFFERED, BUSY, SLEEPING = 8 /* a flag: the waiting side is asleep */ };

struct loop;

struct helper {
    _Alignas(64) _Atomic uint32_t state;
    pid_t thread;      /* written by the helper before it sleeps */
    struct loop *loop; /* written by the owner before it offers */
    int worker;
    struct helper *next; /* of the same loop */
};

struct loop {
    size_t n;
    bool fixed; /* call i belongs to worker i */
    _Atomic size_t next;
    parallel_fn fn;
    void *context;
    struct watch *watch; /* the caller's */
    struct helper *helpers;
};

static struct helper pool[MOST_THREADS];
static _Thread_local int current = -1;
static _Thread_local double alone_until;

int pool_worker(void)
{
    return current;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void wake(struct helper *helper)
{
    syscall(SYS_futex, &helper->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Wakes a helper on a CPU that is not the caller's. Kernels that keep idle CPUs asleep, as in some virtual machines,
 * would put it on the caller's own CPU, where both take turns until the kernel moves one of them. Afterwards the helper
 * may use the CPUs of its caller. */
static void wake_elsewhere(struct helper *helper)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
        CPU_ZERO(&cpus);
    cpu_set_t others = cpus;
    CPU_CLR((size_t)sched_getcpu(), &others);
    bool moves = CPU_COUNT(&others) > 0 && sched_setaffinity(helper->thread, sizeof others, &others) == 0;
    wake(helper);
    if (moves)
        sched_setaffinity(helper->thread, sizeof cpus, &cpus);
}

/* Sets the state, and returns whether the other side sleeps. */
static bool change(struct helper *helper, uint32_t to)
{
    return atomic_exchange(&helper->state, to) & SLEEPING;
}

/* Waits, spinning at first, until the state is `state` or, unless `equal`, until it is another. */
static void await(struct helper *helper, uint32_t state, bool equal)
{
    double until = seconds() + SPIN;
    while (true) {
        for (int i = 0; i < PAUSES; i++) {
            if (((helper->state & ~(uint32_t)SLEEPING) == state) == equal)
                return;
            __builtin_ia32_pause();
        }
        if (seconds() < until)
            continue;
        uint32_t found = helper->state;
        if (((found & ~(uint32_t)SLEEPING) == state) == equal)
            return;
        struct timespec looks = {0, LOOKS};
        bool watched = watch_current().calls_stop;
        if (atomic_compare_exchange_strong(&helper->state, &found, found | SLEEPING))
            syscall(SYS_futex, &helper->state, FUTEX_WAIT_PRIVATE, found | SLEEPING, watched ? &looks : NULL, NULL, 0);
        if (watched)
            (void)watch_check(); /* lets the helpers see the request to stop */
    }
}

static bool take_back(struct helper *helper)
{
    uint32_t offered = OFFERED;
    return atomic_compare_exchange_strong(&helper->state, &offered, TAKEN);
}

/* Changes the owner and keeps the SLEEPING flag. */
static bool pass(struct helper *helper, uint32_t from, uint32_t to)
{
    uint32_t found = helper->state;
    while ((found & ~(uint32_t)SLEEPING) == from)
        if (atomic_compare_exchange_weak(&helper->state, &found, to | (found & SLEEPING)))
            return true;
    return false;
}

static void work(struct loop *loop, int worker)
{
    current = worker;
    if (loop->fixed) {
        loop->fn((size_t)worker, worker, loop->context);
        for (struct helper *other = loop->helpers; other; other = other->next)
            if (take_back(other))
                loop->fn((size_t)other->worker, worker, loop->context);
    } else {
        for (size_t i; (i = atomic_fetch_add(&loop->next, 1)) < loop->n;)
            loop->fn(i, worker, loop->context);
    }
    current = -1;
}

static void *help(void *data)
{
    struct helper *self = data;
    self->thread = gettid();
    while (true) {
        await(self, OFFERED, true);
        uint32_t offered = OFFERED;
        if (!atomic_compare_exchange_strong(&self->state, &offered, BUSY))
            continue;
        watch_set((struct watching){.watch = self->loop->watch});
        work(self->loop, self->worker);
        if (change(self, TAKEN))
            wake(self);
    }
    return NULL;
}

/* Blocks all signals: those of the program go to its own threads. */
static bool start(struct helper *helper)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, help, helper) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    else
        helper->state = MISSING;
    return started;
}

/* Takes idle helpers or starts new ones. */
static int take(struct loop *loop, int wanted)
{
    int taken = 0;
    struct helper **end = &loop->helpers;
    for (int i = 0; i < MOST_THREADS && taken < wanted; i++) {
        struct helper *helper = &pool[i];
        if (pass(helper, MISSING, TAKEN) ? !start(helper) : !pass(helper, IDLE, TAKEN))
            continue;
        helper->loop = loop;
        helper->worker = ++taken;
        helper->next = NULL;
        *end = helper;
        end = &helper->next;
    }
    return taken;
}

static void offer(struct loop *loop, int wanted)
{
    loop->fixed = (size_t)take(loop, wanted) + 1 == loop->n;
    for (struct helper *helper = loop->helpers; helper; helper = helper->next)
        if (change(helper, OFFERED))
            wake_elsewhere(helper);
}

/* Waits until no helper is in the loop. */
static void finish(struct loop *loop)
{
    for (struct helper *helper = loop->helpers; helper; helper = helper->next)
        if (!take_back(helper))
            await(helper, BUSY, false);
    for (struct helper *helper = loop->helpers, *next; helper; helper = next) {
        next = helper->next;
        pass(helper, TAKEN, IDLE);
    }
}

void pool_run(size_t n, int threads, parallel_fn fn, void *context)
{
    struct loop loop = {.n = n, .fn = fn, .context = context, .watch = watch_current().watch};
    double begin = seconds();
    if (begin >= alone_until)
        offer(&loop, threads - 1);
    work(&loop, 0);
    double worked = seconds();
    finish(&loop);
    double waited = seconds() - worked;
    if (waited > STALL && waited > worked - begin)
        alone_until = worked + (1.0 + STALL_FACTOR) * waited;
}
