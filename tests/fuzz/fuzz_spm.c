/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the input is a text and an spm.model that encodes it. With libFuzzer, define FUZZ_ENGINE and link with
 * -fsanitize=fuzzer. Otherwise the program replays the files that it is given, and mutates models built here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "deberta.h"
#include "spm_writer.h"
#include "text/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Invalid bytes become question marks: the door asks for valid UTF-8. */
static size_t make_valid(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        struct character c = utf8_decode(text + i, size - i);
        if (!c.valid)
            text[i] = '?';
        i += c.size;
    }
    return size;
}

static void encode(const struct deberta_tokenizer *tokenizer, struct deberta_text text, size_t max_length)
{
    struct deberta_encode_options options = {true, DEBERTA_LONGEST_FIRST, max_length};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(tokenizer, &text, &text, 1, &options, &out) == DEBERTA_OK);
    CHECK(out.count == 1 && out.offsets[0] == 0 && (size_t)out.offsets[1] <= max_length);
    for (int64_t i = 0; i < out.offsets[1]; i++)
        CHECK(out.ids[i] >= 0 && (size_t)out.ids[i] < deberta_tokenizer_size(tokenizer) && out.types[i] <= 1);
    deberta_encodings_release(&out);
}

/* The first byte is the length of the text that follows it, the second the options; the rest is the model. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size - 2 < data[0])
        return 0;
    char text[256];
    memcpy(text, data + 2, data[0]);
    struct deberta_text valid = {text, make_valid(text, data[0])};
    struct deberta_tokenizer_options options = {data[1] & 1, data[1] & 2, data[1] & 4};
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = deberta_tokenizer_new(data + 2 + data[0], size - 2 - data[0], &options, &tokenizer);
    CHECK(status == DEBERTA_OK || status == DEBERTA_FORMAT);
    if (status == DEBERTA_OK)
        encode(tokenizer, valid, 3 + (data[1] >> 3));
    deberta_tokenizer_free(tokenizer);
    return 0;
}

#ifndef FUZZ_ENGINE

#define ROUNDS 6000

static uint32_t seed = 7;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void write_model(struct file *file, int kind)
{
    static const struct rule rules[] = {
        {"\t", " "}, {"\x01", ""}, {"e\xCC\x81", "\xC3\xA9"}, {"\xEF\xAC\x81", "fi"}, {"\xC2\xA8", " \xCC\x88"}};
    static const char *const pieces[] = {"\xE2\x96\x81",
                                         "a",
                                         "b",
                                         "ab",
                                         "\xE2\x96\x81"
                                         "ab",
                                         "fi",
                                         "\xC3\xA9",
                                         ","};
    file->size = 0;
    write_special(file);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        write_piece(file, pieces[i], -3.0f - (float)i / 2, SPM_NORMAL);
    if (kind & 1)
        write_normalizer(file, rules, sizeof rules / sizeof *rules);
    if (kind & 2)
        write_piece(file, "user", 0, SPM_USER_DEFINED);
    if (kind & 4)
        write_byte_pieces(file);
}

/* Changes a few bytes, or cuts a stretch out, or says one twice. */
static size_t mutate(uint8_t *data, size_t size, size_t capacity)
{
    for (uint32_t changes = 1 + draw(4); changes > 0; changes--) {
        size_t at = draw((uint32_t)size), length = draw(12);
        length = length < size - at ? length : size - at;
        switch (draw(4)) {
        case 0:
            data[at] = (uint8_t)draw(256);
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 2:
            if (size - length < 2)
                break;
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        default:
            if (size + length > capacity)
                break;
            memmove(data + at + length, data + at, size - at);
            size += length;
        }
    }
    return size;
}

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file);
    static uint8_t data[1 << 20];
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
}

int main(int count, char **paths)
{
    for (int i = 1; i < count; i++)
        replay(paths[i]);
    static const char text[] = "ab a,user \t\xEF\xAC\x81 e\xCC\x81[MASK] \xC2\xA8[UNK] AB\xFF";
    static struct file model;
    static uint8_t input[sizeof model.data + 256];
    for (int round = 0; round < ROUNDS; round++) {
        write_model(&model, round % 8);
        size_t length = sizeof text - 1, size = 2 + length + model.size;
        input[0] = (uint8_t)length;
        input[1] = (uint8_t)draw(256);
        memcpy(input + 2, text, length);
        memcpy(input + 2 + length, model.data, model.size);
        if (round >= 8) /* the first eight as they are */
            size = mutate(input, size, sizeof input);
        uint8_t *exact = malloc(size); /* so that the sanitizer sees a read past the end */
        CHECK(exact);
        memcpy(exact, input, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    printf("spm: %d inputs of our own and %d files\n", ROUNDS, count - 1);
    return 0;
}

#endif
