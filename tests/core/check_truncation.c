/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths and windows of truncated texts, against the rules written plainly, and the options that are rejected. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "check.h"
#include "windows.h"

static struct truncation cut_to(enum deberta_truncation strategy, bool pair, size_t room)
{
    return (struct truncation){.strategy = strategy, .pair = pair, .room = room};
}

static void check_room(size_t first, size_t second, size_t room)
{
    struct truncation t = cut_to(DEBERTA_LONGEST_FIRST, true, room);
    struct lengths n = {first, second}, wanted = one_by_one(n, room);
    CHECK(truncation_apply(&t, 0, &n) == DEBERTA_OK);
    CHECK(n.first == wanted.first && n.second == wanted.second);
    size_t total = first + second, surplus = total > room ? total - room : 0;
    t = cut_to(DEBERTA_ONLY_SECOND, true, room);
    n = (struct lengths){first, second};
    bool possible = room == 0 || surplus == 0 || second > surplus;
    CHECK((truncation_apply(&t, 0, &n) == DEBERTA_OK) == possible);
    if (possible && room != 0)
        CHECK(n.first == first && n.second == second - surplus);
    t = cut_to(DEBERTA_ONLY_FIRST, false, room);
    n = (struct lengths){first, 0};
    CHECK(truncation_apply(&t, 0, &n) == DEBERTA_OK);
    CHECK(n.first == (first < room ? first : room) && n.second == 0);
    t = cut_to(DEBERTA_KEEP, true, 0);
    n = (struct lengths){first, second};
    CHECK(truncation_apply(&t, 0, &n) == DEBERTA_OK && n.first == first && n.second == second);
}

static void check_lengths(void)
{
    for (size_t first = 0; first < 14; first++)
        for (size_t second = 0; second < 14; second++)
            for (size_t room = 0; room < 30; room++)
                check_room(first, second, room);
    struct truncation t = cut_to(DEBERTA_ONLY_SECOND, false, 2);
    struct lengths n = {9, 0};
    CHECK(truncation_apply(&t, 7, &n) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "row 7") && strstr(status_message(), "only_second"));
}

static void check_windows(void)
{
    for (size_t n = 0; n < 41; n++)
        for (size_t room = 1; room < 13; room++)
            for (size_t stride = 0; stride < room; stride++)
                for (int left = 0; left < 2; left++) {
                    struct truncation t = {DEBERTA_LONGEST_FIRST, false, left, true, room, stride};
                    struct lengths kept = {n, 0};
                    struct window wanted[64];
                    size_t count = windows_of(n, room, stride, left, wanted);
                    CHECK(truncation_apply(&t, 0, &kept) == DEBERTA_OK && kept.first == (n < room ? n : room));
                    CHECK(truncation_windows(&t, n, kept.first) == count);
                    for (size_t i = 0; i < count; i++) {
                        struct window w = truncation_window(&t, n, kept.first, i);
                        CHECK(w.start == wanted[i].start && w.end == wanted[i].end);
                    }
                    t.overflow = false;
                    CHECK(truncation_windows(&t, n, kept.first) == 1);
                    CHECK(truncation_window(&t, n, kept.first, 0).end == wanted[0].end);
                }
}

static void check_limits(const struct deberta_encode_options *options, bool pair, const char *part_of_message)
{
    struct truncation t;
    enum deberta_status status = truncation_init(&t, options, pair, pair ? 3 : 2);
    if (!part_of_message) {
        CHECK(status == DEBERTA_OK);
        return;
    }
    CHECK(status == DEBERTA_ARGUMENT);
    if (!strstr(status_message(), part_of_message))
        fprintf(stderr, "wanted '%s', got '%s'\n", part_of_message, status_message());
    CHECK(strstr(status_message(), part_of_message));
}

static void check_options(void)
{
    struct deberta_encode_options options = {.truncation = DEBERTA_LONGEST_FIRST, .max_length = 1, .stride = 9};
    check_limits(&options, false, "max_length is 1, but the special tokens of a text are 2");
    options.max_length = 2;
    check_limits(&options, false, NULL); /* without overflow the stride does not matter */
    check_limits(&options, true, "max_length is 2");
    options.overflow = true;
    check_limits(&options, false, "give at least 3");
    options.max_length = 8;
    check_limits(&options, false, "stride is 9, but a row of max_length 8 has room for 6 tokens");
    options.stride = 6;
    check_limits(&options, false, "give at most 5");
    options.stride = 5;
    check_limits(&options, false, NULL);
    check_limits(&options, true, "give at most 4");
    options.truncation = DEBERTA_KEEP;
    check_limits(&options, true, NULL);
    struct truncation t = {DEBERTA_ONLY_SECOND, true, false, true, 10, 3};
    struct lengths n = {7, 9};
    CHECK(truncation_apply(&t, 4, &n) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "row 4 has room for 3 tokens of its second text, but stride is 3: give at most 2"));
    n = (struct lengths){7, 9};
    t = (struct truncation){DEBERTA_LONGEST_FIRST, true, false, true, 1, 0};
    CHECK(truncation_apply(&t, 4, &n) == DEBERTA_ARGUMENT && strstr(status_message(), "no room for its first text"));
}

int main(void)
{
    check_lengths();
    check_windows();
    check_options();
    puts("truncation: ok");
    return 0;
}
