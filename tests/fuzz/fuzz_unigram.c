/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: pieces, stages and a text (tokenizers.h); and the same pieces in an spm.model, with each rule. */
#include "spm_recipe.h"
#include "spm_writer.h"
#include "tokenizers.h"

static void fuzz_spm(struct input input)
{
    uint8_t cut = take(&input), options = take(&input), byte_pieces = take(&input);
    take(&input);
    char room[255];
    struct deberta_text text = take_text(&input, room);
    static struct file model;
    model.size = 0;
    write_special(&model);
    if (byte_pieces & 1)
        write_byte_pieces(&model);
    struct lines pieces = take_lines(&input, false);
    for (size_t i = 0; i < pieces.count && pieces.data[i].size < 64; i++)
        write_piece_bytes(&model, pieces.data[i].bytes, pieces.data[i].size, -1.5f - (float)(i % 7),
                          options & 64 && i % 5 == 4 ? DEBERTA_PIECE_USER_DEFINED : DEBERTA_PIECE_NORMAL);
    struct spm_options how = {(enum spm_rule)(options % 3), options & 4, options & 8};
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = read_spm(model.data, model.size, &how, &tokenizer);
    CHECK(status == DEBERTA_OK || status == DEBERTA_FORMAT);
    free(pieces.room);
    if (status == DEBERTA_OK)
        encode(tokenizer, text, cut);
    deberta_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tokenizer(DEBERTA_UNIGRAM, (struct input){data, size});
    fuzz_spm((struct input){data, size});
    return 0;
}

size_t fuzz_seed(uint32_t number, uint8_t *data, size_t capacity)
{
    (void)capacity;
    return write_seed(number,
                      "<unk>\na\nb\nab\n\xE2\x96\x81\n\xE2\x96\x81"
                      "a\n\xE2\x96\x81"
                      "ab\nc\nbc\n,\n.\nll\n'\n12\n1\n\xC3\xA9\n"
                      "<0x0A>\n<0xE6>\n<0x97>\n<0xA5>\n",
                      data);
}
