/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of truncation and windows, written plainly: what text/rows/truncation.c is compared with. */
#ifndef DEBERTA_TESTS_WINDOWS_H
#define DEBERTA_TESTS_WINDOWS_H

#include "text/rows/truncation.h"

/* One token after the other from the longer text; of two equal ones, from the one that was shorter at first. */
static inline struct lengths one_by_one(struct lengths n, size_t room)
{
    bool swapped = n.first > n.second;
    size_t shorter = swapped ? n.second : n.first, longer = swapped ? n.first : n.second;
    while (shorter + longer > room)
        if (longer > shorter)
            longer--;
        else
            shorter--;
    return swapped ? (struct lengths){longer, shorter} : (struct lengths){shorter, longer};
}

/* The windows by their definition, one after the other. */
static inline size_t windows_of(size_t n, size_t kept, size_t stride, bool left, struct window *windows)
{
    size_t count = 0;
    if (n <= kept) {
        windows[count++] = (struct window){0, n};
    } else if (!left) {
        for (size_t start = 0;; start += kept - stride) {
            windows[count++] = (struct window){start, start + kept < n ? start + kept : n};
            if (start + kept >= n)
                break;
        }
    } else {
        for (size_t end = n;; end -= kept - stride) {
            windows[count++] = (struct window){end > kept ? end - kept : 0, end};
            if (end <= kept)
                break;
        }
    }
    return count;
}

#endif
