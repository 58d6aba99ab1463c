/* SPDX-License-Identifier: Apache-2.0 */
#include "text/rows/truncation.h"

enum deberta_status truncation_init(struct truncation *truncation, const struct deberta_encode_options *options,
                                    bool pair, size_t special)
{
    *truncation = (struct truncation){
        .strategy = options->truncation,
        .pair = pair,
        .left = options->cut_left,
        .overflow = options->overflow && options->truncation != DEBERTA_KEEP,
        .stride = options->stride,
    };
    if (options->truncation == DEBERTA_KEEP)
        return DEBERTA_OK;
    if (options->max_length < special)
        return fail(DEBERTA_ARGUMENT, "max_length is %zu, but the special tokens of a %s are %zu: give at least that",
                    options->max_length, pair ? "pair" : "text", special);
    truncation->room = options->max_length - special;
    if (truncation->overflow && truncation->room == 0)
        return fail(DEBERTA_ARGUMENT,
                    "max_length is %zu, which leaves no room for tokens to overflow: give at least %zu",
                    options->max_length, special + 1);
    if (truncation->overflow && options->stride >= truncation->room)
        return fail(DEBERTA_ARGUMENT,
                    "stride is %zu, but a row of max_length %zu has room for %zu tokens beside the special ones: give "
                    "at most %zu",
                    options->stride, options->max_length, truncation->room, truncation->room - 1);
    return DEBERTA_OK;
}

/* The longer text is shortened first. If both are too long they share the room, and the shorter one (the first, if
 * equal) gets the smaller half. */
static void longest_first(size_t room, struct lengths *lengths)
{
    bool swapped = lengths->first > lengths->second;
    size_t shorter = swapped ? lengths->second : lengths->first;
    size_t longer = shorter > room ? shorter : max_size(shorter, room - shorter);
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = room - shorter;
    }
    *lengths = swapped ? (struct lengths){longer, shorter} : (struct lengths){shorter, longer};
}

/* Removes the surplus from one text, which must keep at least one token. */
static enum deberta_status only(size_t surplus, size_t row, const char *which, const char *strategy, size_t *length)
{
    if (*length <= surplus)
        return fail(DEBERTA_ARGUMENT,
                    "row %zu has %zu tokens more than max_length allows, and its %s text has only %zu, so that "
                    "truncation '%s' cannot shorten it: use 'longest_first' or a larger max_length",
                    row, surplus, which, *length, strategy);
    *length -= surplus;
    return DEBERTA_OK;
}

/* The texts are too long together. */
static enum deberta_status shorten(const struct truncation *truncation, size_t row, struct lengths *lengths)
{
    size_t room = truncation->room, surplus = lengths->first + lengths->second - room;
    if (room == 0) {
        *lengths = (struct lengths){0, 0};
        return DEBERTA_OK;
    }
    switch (truncation->strategy) {
    case DEBERTA_ONLY_FIRST:
        return only(surplus, row, "first", "only_first", &lengths->first);
    case DEBERTA_ONLY_SECOND:
        if (!truncation->pair)
            return fail(DEBERTA_ARGUMENT,
                        "row %zu is longer than max_length, and truncation 'only_second' needs a second text", row);
        return only(surplus, row, "second", "only_second", &lengths->second);
    default:
        if (truncation->pair)
            longest_first(room, lengths);
        else
            lengths->first = room;
        return DEBERTA_OK;
    }
}

/* A text that overflows must keep more tokens than the next window repeats. */
static enum deberta_status check_overflow(const struct truncation *truncation, size_t row, const char *which,
                                          size_t length, size_t kept)
{
    if (kept == length || kept > truncation->stride)
        return DEBERTA_OK;
    if (kept == 0)
        return fail(DEBERTA_ARGUMENT,
                    "row %zu has no room for its %s text, so that it cannot overflow: give a larger max_length", row,
                    which);
    return fail(DEBERTA_ARGUMENT,
                "row %zu has room for %zu tokens of its %s text, but stride is %zu: give at most %zu, or a larger "
                "max_length",
                row, kept, which, truncation->stride, kept - 1);
}

enum deberta_status truncation_apply(const struct truncation *truncation, size_t row, struct lengths *lengths)
{
    struct lengths whole = *lengths;
    if (truncation->strategy == DEBERTA_KEEP || whole.first + whole.second <= truncation->room)
        return DEBERTA_OK;
    TRY(shorten(truncation, row, lengths));
    if (!truncation->overflow)
        return DEBERTA_OK;
    TRY(check_overflow(truncation, row, "first", whole.first, lengths->first));
    return check_overflow(truncation, row, "second", whole.second, lengths->second);
}
