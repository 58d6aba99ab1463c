/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/cpu_quota.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/threads.h"

/* ---- status ---- */

static enum deberta_status fails(bool really)
{
    TRY(really ? fail(DEBERTA_FORMAT, "tensor %s: %d", "x", 7) : DEBERTA_OK);
    return DEBERTA_OK;
}

static void *message_of_a_fresh_thread(void *unused)
{
    (void)unused;
    CHECK(*status_message() == '\0');
    CHECK(fail(DEBERTA_ARGUMENT, "elsewhere") == DEBERTA_ARGUMENT);
    return NULL;
}

static void check_status(void)
{
    CHECK(fails(false) == DEBERTA_OK);
    CHECK(fails(true) == DEBERTA_FORMAT && strcmp(status_message(), "tensor x: 7") == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, message_of_a_fresh_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(strcmp(status_message(), "tensor x: 7") == 0);
    (void)fail(DEBERTA_FORMAT, "file y: %s", status_message());
    CHECK(strcmp(status_message(), "file y: tensor x: 7") == 0);
    (void)fail(DEBERTA_FORMAT, "%2000d", 1);
    CHECK(strlen(status_message()) > 100 && strlen(status_message()) < 2000);
}

/* ---- memory ---- */

static void check_alloc(void)
{
    const size_t sizes[] = {0, 1, 63, 64, 65, (size_t)5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block;
        CHECK(memory_calloc(sizes[i], 1, &block) == DEBERTA_OK && block);
        CHECK((uintptr_t)block % MEMORY_ALIGNMENT == 0);
        for (size_t j = 0; j < sizes[i]; j++)
            CHECK(((char *)block)[j] == 0);
        memset(block, 1, sizes[i]);
        memory_free(block);
    }
    memory_free(NULL);
}

static void check_overflow(void)
{
    const size_t wrong[][2] = {
        {SIZE_MAX, 2}, {SIZE_MAX / 2, 3}, {SIZE_MAX, SIZE_MAX}, {SIZE_MAX - 8, 1}, {1, SIZE_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        void *block = &block;
        CHECK(memory_alloc(wrong[i][0], wrong[i][1], &block) == DEBERTA_MEMORY && block == NULL);
        CHECK(strstr(status_message(), "out of memory"));
        CHECK(memory_calloc(wrong[i][0], wrong[i][1], &block) == DEBERTA_MEMORY && block == NULL);
    }
}

static void check_grow(void)
{
    void *block = NULL;
    CHECK(memory_grow(0, 10, 1, &block) == DEBERTA_OK);
    memcpy(block, "0123456789", 10);
    CHECK(memory_grow(10, 100, 1, &block) == DEBERTA_OK && memcmp(block, "0123456789", 10) == 0);
    void *before = block;
    CHECK(memory_grow(10, SIZE_MAX, 1, &block) == DEBERTA_MEMORY);
    CHECK(block == before && memcmp(block, "0123456789", 10) == 0);
    memory_free(block);
}

static void check_failing_allocations(void)
{
    long before = memory_count();
    for (long nth = 1; nth <= 3; nth++) {
        memory_fail_at(nth);
        for (long i = 1; i <= 3; i++) {
            void *block;
            CHECK(memory_alloc(1, 1, &block) == (i == nth ? DEBERTA_MEMORY : DEBERTA_OK));
            memory_free(block);
        }
    }
    memory_fail_at(0);
    CHECK(memory_count() == before + 9);
}

/* ---- threads ---- */

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
static void check_promise(void)
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

/* ---- quotas ---- */

static void check_quota_texts(void)
{
    CHECK(cpu_quota_of("max 100000\n", NULL) == 0);
    CHECK(cpu_quota_of("", NULL) == 0);
    CHECK(cpu_quota_of("200000 100000\n", NULL) == 2);
    CHECK(cpu_quota_of("250000 100000\n", NULL) == 2);
    CHECK(cpu_quota_of("50000 100000\n", NULL) == 1);
    CHECK(cpu_quota_of("300000", NULL) == 3);
    CHECK(cpu_quota_of("9000000000000000000 1", NULL) == 0);
    CHECK(cpu_quota_of("-1\n", "100000\n") == 0);
    CHECK(cpu_quota_of("400000\n", "100000\n") == 4);
    CHECK(cpu_quota_of("400000\n", "0\n") == 0);
}

static char root[] = "/tmp/check_base_XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700); /* may be there already */
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void check_groups(void)
{
    CHECK(mkdtemp(root));
    CHECK(cpu_quota(root) == 0);
    write_file("proc/self/cgroup", "0::/user.slice/job.scope\n");
    CHECK(cpu_quota(root) == 0);
    write_file("sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n");
    CHECK(cpu_quota(root) == 0);
    write_file("sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n");
    CHECK(cpu_quota(root) == 3); /* of the group above */
    write_file("sys/fs/cgroup/user.slice/job.scope/cpu.max", "500000 100000\n");
    CHECK(cpu_quota(root) == 3); /* the lower of the two */
    write_file("sys/fs/cgroup/cpu.max", "100000 100000\n");
    CHECK(cpu_quota(root) == 1);
    write_file("proc/self/cgroup", "0::/\n");
    CHECK(cpu_quota(root) == 1); /* a container's view */
    write_file("proc/self/cgroup", "7:cpuset:/\n4:cpu,cpuacct:/docker/1\n0::/elsewhere/\n");
    write_file("sys/fs/cgroup/cpu.max", "max 100000\n");
    write_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    CHECK(cpu_quota(root) == 0); /* a quota without its period */
    write_file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    CHECK(cpu_quota(root) == 2);
    write_file("sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "150000\n");
    write_file("sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us", "100000\n");
    CHECK(cpu_quota(root) == 1); /* its own group is lower than the one above */
    write_file("proc/self/cgroup", "garbage\n::\n1:\n7:cpuset,cpuacct:/\n");
    CHECK(cpu_quota(root) == 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK(system(command) == 0);
}

/* ---- processor ---- */

static void check_cpu(void)
{
    CHECK(cpu_has(ISA_SCALAR) && !cpu_has(ISA_COUNT));
    CHECK(cpu_has(ISA_AVX2) || !cpu_has(ISA_AVX512)); /* each level has those below it */
    unsigned features = cpu_features();
    CHECK(cpu_has(ISA_AVX2) == ((features & CPU_AVX2) != 0));
    CHECK(!!__builtin_cpu_supports("avx2") >= cpu_has(ISA_AVX2));
    CHECK(!!__builtin_cpu_supports("avx512vl") >= cpu_has(ISA_AVX512));
    CHECK(!!__builtin_cpu_supports("avx512vnni") == ((features & CPU_AVX512_VNNI) != 0));
    CHECK(!!__builtin_cpu_supports("avx512bf16") == ((features & CPU_AVX512_BF16) != 0));
    for (int level = 0; level < ISA_COUNT; level++)
        printf("%s: %s\n", isa_names[level], cpu_has((enum isa)level) ? "yes" : "no");
}

int main(void)
{
    check_status();
    check_alloc();
    check_overflow();
    check_grow();
    check_failing_allocations();
    check_loops();
    check_grain();
    check_promise();
    check_callers();
    check_fork();
    check_environment();
    check_quota_texts();
    check_groups();
    check_cpu();
    return 0;
}
