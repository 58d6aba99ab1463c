/* SPDX-License-Identifier: Apache-2.0 */
/* Rates of linear layers by our kernel and by oneDNN, alternately, for benchmarks/core/linear.py.
 * Reads lines `threads N K M`, answers each with two medians in GFLOP/s: ours and oneDNN's. */
#include "measure.h"

#include "nn/linear.h"

struct path_case {
    struct linear linear;
    const float *in; // (M, K)
    float *out;      // (M, N)
    size_t rows;
};

static void apply(void *context)
{
    struct path_case *c = context;
    must(linear_apply(&c->linear, c->in, c->rows, ACT_LINEAR, c->out));
}

static void pack(struct path_case paths[2], size_t n, size_t k)
{
    static const char *const names[] = {"own", "onednn"};
    float *weights = drawn(n * k, 1.0f);
    struct weight weight = {.data = weights, .rows = n, .scale = 1.0f};
    for (int path = 0; path < 2; path++) {
        linear_release(&paths[path].linear);
        setenv("DEBERTA_C_MATMUL", names[path], 1);
        must(deberta_start());
        must(linear_init(&paths[path].linear, &weight, 1, k));
    }
    memory_free(weights);
}

/* Until libgomp's threads no longer spin: they would share the CPUs with ours. */
static void pause_after(int path)
{
    static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    if (path == 1)
        nanosleep(&pause, NULL);
}

static void measure(struct path_case paths[2], size_t n, size_t k, size_t m)
{
    double rates[2][ROUNDS], operations = 2.0 * (double)n * (double)k * (double)m;
    float *in = drawn(m * k, 1.0f), *out = drawn(m * n, 1.0f);
    for (int path = 0; path < 2; path++) {
        paths[path].in = in, paths[path].out = out, paths[path].rows = m;
        apply(&paths[path]);
        pause_after(path);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int path = 0; path < 2; path++) {
            rates[path][round] = rate(apply, &paths[path], operations);
            pause_after(path);
        }
    printf("%.2f %.2f\n", median(rates[0]), median(rates[1]));
    memory_free(in), memory_free(out);
}

int main(void)
{
    struct path_case paths[2] = {0};
    size_t n, k, m, packed_n = 0, packed_k = 0;
    int threads;
    must(deberta_start());
    printf("%s %s\n", deberta_isa(), deberta_onednn());
    fflush(stdout);
    while (scanf("%d %zu %zu %zu", &threads, &n, &k, &m) == 4) {
        deberta_set_threads(threads);
        if (n != packed_n || k != packed_k)
            pack(paths, n, k);
        packed_n = n, packed_k = k;
        measure(paths, n, k, m);
        fflush(stdout);
    }
    for (int path = 0; path < 2; path++)
        linear_release(&paths[path].linear);
    return 0;
}
