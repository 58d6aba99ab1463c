/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the input is truncation, options, a text and the spm.model that encodes it. */
#include "fuzz.h"
#include "spm_recipe.h"
#include "spm_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t cut = take(&input), options = take(&input);
    char room[255];
    struct deberta_text text = take_text(&input, room);
    struct spm_options how = {(enum spm_rule)(options % 3), options & 4, options & 8};
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = read_spm(input.data, input.size, &how, &tokenizer);
    CHECK(status == DEBERTA_OK || status == DEBERTA_FORMAT);
    if (status == DEBERTA_OK)
        encode(tokenizer, text, cut);
    deberta_tokenizer_free(tokenizer);
    return 0;
}

static void write_model(struct file *file, uint32_t kind)
{
    static const struct rule rules[] = {
        {"\t", " "}, {"\x01", ""}, {"e\xCC\x81", "\xC3\xA9"}, {"\xEF\xAC\x81", "fi"}, {"\xC2\xA8", " \xCC\x88"}};
    static const char *const pieces[] = {"\xE2\x96\x81",
                                         "a",
                                         "b",
                                         "ab",
                                         ("\xE2\x96\x81"
                                          "ab"),
                                         "fi",
                                         "\xC3\xA9",
                                         ","};
    file->size = 0;
    write_special(file);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        write_piece(file, pieces[i], -3.0f - (float)i / 2, DEBERTA_PIECE_NORMAL);
    if (kind & 1)
        write_normalizer(file, rules, sizeof rules / sizeof *rules);
    if (kind & 2)
        write_piece(file, "user", 0, DEBERTA_PIECE_USER_DEFINED);
    if (kind & 4)
        write_byte_pieces(file);
}

size_t fuzz_seed(uint32_t number, uint8_t *data, size_t capacity)
{
    static const char text[] = "ab a,user \t\xEF\xAC\x81 e\xCC\x81[MASK] \xC2\xA8[UNK] AB\xFF";
    static struct file model;
    write_model(&model, number % 8);
    CHECK(2 + sizeof text + model.size <= capacity);
    data[0] = (uint8_t)(number * 53);
    data[1] = (uint8_t)(number * 7);
    data[2] = sizeof text - 1;
    memcpy(data + 3, text, sizeof text - 1);
    memcpy(data + 2 + sizeof text, model.data, model.size);
    return 2 + sizeof text + model.size;
}
