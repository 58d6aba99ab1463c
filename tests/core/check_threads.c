/* SPDX-License-Identifier: Apache-2.0 */
/* Parallel loops: calls and workers, several callers, woken helpers, forks, the number of threads. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/threads.h"
#include "check.h"

enum { MANY = 1000, WORKERS = 64 };

struct loop {
    _Atomic int calls[MANY];
    _Atomic int busy[WORKERS]; /* calls that run with this worker at this moment */
    int workers;
};

static void count_call(size_t index, int worker, void *context)
{
    struct loop *loop = context;
    CHECK(worker >= 0 && worker < loop->workers);
    CHECK(loop->busy[worker]++ == 0);
    loop->calls[index]++;
    loop->busy[worker]--;
}

static void nest(size_t index, int worker, void *context)
{
    CHECK(threads_count() == 1);
    struct loop inner = {.workers = worker + 1};
    parallel_for(MANY, 1, count_call, &inner);
    for (size_t i = 0; i < MANY; i++)
        CHECK(inner.calls[i] == 1);
    ((struct loop *)context)->calls[index]++;
}

static void check_loops(void)
{
    for (int threads = 1; threads <= 4; threads++) {
        threads_set(threads);
        CHECK(threads_count() == threads);
        const size_t sizes[] = {0, 1, 2, 3, MANY};
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            struct loop loop = {.workers = threads};
            parallel_for(sizes[s], 1, count_call, &loop);
            for (size_t i = 0; i < MANY; i++)
                CHECK(loop.calls[i] == (i < sizes[s]));
        }
        struct loop small = {.workers = 1}; /* too little for a second thread */
        parallel_for(11, 6, count_call, &small);
        CHECK(small.calls[0] == 1 && small.calls[10] == 1 && small.calls[11] == 0);
        struct loop outer = {.workers = threads};
        parallel_for(20, 1, nest, &outer);
        for (size_t i = 0; i < 20; i++)
            CHECK(outer.calls[i] == 1);
        CHECK(threads_count() == threads);
    }
}

static void check_grain(void)
{
    CHECK(threads_grain(1e9) == 1 && threads_grain(1e4) == 100);
    CHECK(threads_grain(0.0) > 1000 && threads_grain(0.0) < SIZE_MAX / 2);
}

static void *set_eight_threads(void *unused)
{
    (void)unused;
    threads_set(8);
    return NULL;
}

/* A caller makes room for threads_count() workers; another thread then asks for more. */
static void check_count_of_a_call(void)
{
    threads_set(2);
    struct loop loop = {.workers = threads_count()};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, set_eight_threads, NULL) == 0 && pthread_join(thread, NULL) == 0);
    parallel_for(MANY, 1, count_call, &loop);
    CHECK(threads_count() == 8);
}

enum { LIMIT = 4, CALLERS = 6 };

struct crowd {
    _Atomic int running, most;
    int meeting; /* calls that wait for each other */
};

static void join_crowd(size_t index, int worker, void *context)
{
    (void)index, (void)worker;
    struct crowd *crowd = context;
    int running = ++crowd->running;
    for (int most = crowd->most; running > most && !atomic_compare_exchange_weak(&crowd->most, &most, running);)
        continue;
    while (crowd->most < crowd->meeting)
        sched_yield();
    sched_yield();
    crowd->running--;
}

static void *call_often(void *crowd)
{
    for (int i = 0; i < 50; i++) {
        struct loop loop = {.workers = threads_count()};
        parallel_for(20, 1, join_crowd, crowd);
        parallel_for(MANY, 1, count_call, &loop);
        for (size_t call = 0; call < MANY; call++)
            CHECK(loop.calls[call] == 1);
    }
    return NULL;
}

/* The loops of several callers at once share the threads, and give them back. */
static void check_callers(void)
{
    threads_set(LIMIT);
    struct crowd crowd = {0};
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        CHECK(pthread_create(&threads[i], NULL, call_often, &crowd) == 0);
    for (int i = 0; i < CALLERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(crowd.most <= LIMIT + CALLERS - 1); /* one takes the helpers; each of the others runs alone */
    struct crowd alone = {.meeting = LIMIT};
    parallel_for(LIMIT, 1, join_crowd, &alone); /* hangs unless all threads come */
    CHECK(alone.most == LIMIT);
}

static void meet(size_t index, int worker, void *context)
{
    (void)worker;
    _Atomic int *cpus = context; /* (2): of each call */
    cpus[index] = sched_getcpu();
    while (cpus[1 - index] < 0)
        continue;
}

/* A helper that sleeps wakes up on another CPU than its caller's, and may use all CPUs of its caller afterwards. */
static void check_woken_helpers(void)
{
    enum { WAKES = 20 };
    cpu_set_t before, after;
    CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
    threads_set(2);
    int apart = 0;
    for (int i = 0; i < WAKES; i++) {
        nanosleep(&(struct timespec){0, 5000000}, NULL);
        _Atomic int cpus[2] = {-1, -1};
        parallel_for(2, 1, meet, (void *)cpus);
        apart += cpus[0] != cpus[1];
    }
    CHECK(apart > WAKES / 2 || CPU_COUNT(&before) == 1);
    CHECK(sched_getaffinity(0, sizeof after, &after) == 0 && CPU_EQUAL(&before, &after));
}

static void check_fork(void)
{
    threads_set(3);
    struct loop loop = {.workers = threads_count()};
    parallel_for(MANY, 1, count_call, &loop);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(20); /* ends a child that hangs */
        loop.workers = 1;
        parallel_for(MANY, 1, count_call, &loop);
        _exit(threads_count() == 1 && loop.calls[MANY - 1] == 2 ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(threads_count() == 3);
}

static void check_environment(void)
{
    static const struct {
        const char *own, *openmp;
        int wanted; /* 0: any number of the machine */
    } cases[] = {{"3", "5", 3},
                 {NULL, "5", 5},
                 {NULL, "4,2", 4},
                 {"none", "2", 2},
                 {"0", "2", 2},
                 {"-1", NULL, 0},
                 {"99999999999999999999", NULL, 0},
                 {"", "", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)(cases[i].own ? setenv("DEBERTA_C_NUM_THREADS", cases[i].own, 1) : unsetenv("DEBERTA_C_NUM_THREADS"));
        (void)(cases[i].openmp ? setenv("OMP_NUM_THREADS", cases[i].openmp, 1) : unsetenv("OMP_NUM_THREADS"));
        int found = threads_default();
        CHECK(cases[i].wanted ? found == cases[i].wanted : found >= 1);
        threads_set(0);
        CHECK(threads_count() == found);
    }
    unsetenv("OMP_NUM_THREADS");
    unsetenv("DEBERTA_C_NUM_THREADS");
}

int main(void)
{
    check_loops();
    check_grain();
    check_count_of_a_call();
    check_callers();
    check_woken_helpers();
    check_fork();
    check_environment();
    return 0;
}
