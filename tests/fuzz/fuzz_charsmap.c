/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the input is truncation, a text and a charsmap, which is applied as in tokenizers and, within an
 * spm.model, as in sentencepiece. */
#include "fuzz.h"
#include "spm_recipe.h"
#include "spm_writer.h"

#define TEXT(literal) {literal, sizeof(literal) - 1}

static void encode_and_free(struct deberta_tokenizer *tokenizer, enum deberta_status status, struct deberta_text text,
                            uint8_t cut)
{
    CHECK(status == DEBERTA_OK || status == DEBERTA_FORMAT);
    if (status == DEBERTA_OK)
        encode(tokenizer, text, cut);
    deberta_tokenizer_free(tokenizer);
}

static void as_tokenizers(struct deberta_text charsmap, struct deberta_text text, uint8_t cut)
{
    const struct deberta_stage precompiled = {.type = "Precompiled", .pattern = charsmap};
    const struct deberta_stage metaspace = {
        .type = "Metaspace", .flags = DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT, .content = TEXT("\xE2\x96\x81")};
    const struct deberta_text tokens[] = {TEXT("<unk>"), TEXT("\xE2\x96\x81"), TEXT("a"), TEXT("fi")};
    const int32_t ids[] = {0, 1, 2, 3};
    const double scores[] = {0, -2, -3, -4};
    struct deberta_vocabulary vocabulary = {
        .type = DEBERTA_UNIGRAM, .tokens = tokens, .ids = ids, .scores = scores, .count = 4};
    const struct deberta_template_part single = {DEBERTA_SEQUENCE_A, 0};
    const struct deberta_template_part pair[] = {{DEBERTA_SEQUENCE_A, 0}, {DEBERTA_SEQUENCE_B, 1}};
    struct deberta_tokenizer_spec spec = {&precompiled, &metaspace, 1, 1, vocabulary, NULL, 0,
                                          &single,      pair,       1, 2, false};
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = deberta_tokenizer_new(&spec, &tokenizer);
    encode_and_free(tokenizer, status, text, cut);
}

static void as_sentencepiece(struct deberta_text charsmap, struct deberta_text text, uint8_t cut)
{
    static struct file model, normalizer;
    model.size = normalizer.size = 0;
    write_special(&model);
    write_piece(&model, "\xE2\x96\x81", -2, DEBERTA_PIECE_NORMAL);
    write_piece(&model, "a", -3, DEBERTA_PIECE_NORMAL);
    write_string(&normalizer, 2, charsmap.bytes, charsmap.size);
    write_string(&model, 3, normalizer.data, normalizer.size);
    struct spm_options how = {cut & 4 ? SPM : HF4, cut & 8, cut & 16};
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = read_spm(model.data, model.size, &how, &tokenizer);
    encode_and_free(tokenizer, status, text, cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t cut = take(&input);
    char room[255];
    struct deberta_text text = take_text(&input, room);
    struct deberta_text charsmap = {(const char *)input.data, input.size};
    if (charsmap.size > 48 * 1024) /* the limit of spm_writer.h */
        return 0;
    as_tokenizers(charsmap, text, cut);
    as_sentencepiece(charsmap, text, cut);
    return 0;
}

size_t fuzz_seed(uint32_t number, uint8_t *data, size_t capacity)
{
    (void)capacity;
    static const char text[] = "a\t\x01 e\xCC\x81\xEF\xAC\x81\xC2\xA8 \xE2\x84\xA2\x1Eg \xCC\x81"
                               "aa\r\nb";
    static const struct rule rules[] = {{"\t", " "},
                                        {"\x01", ""},
                                        {"e\xCC\x81", "\xC3\xA9"},
                                        {"\xEF\xAC\x81", "fi"},
                                        {"\xC2\xA8", " \xCC\x88"},
                                        {"\r\n", " "},
                                        {"\x1E", ""},
                                        {"\xE2\x84\xA2", "TM"},
                                        {"aa", "b"}};
    static struct file normalizer;
    normalizer.size = 0;
    write_charsmap(&normalizer, rules + number % 4, sizeof rules / sizeof *rules - number % 4);
    size_t header = 1; /* its tag and size go before the charsmap */
    while (normalizer.data[header] & 0x80)
        header++;
    header++;
    data[0] = (uint8_t)(number * 53);
    data[1] = sizeof text - 1;
    memcpy(data + 2, text, sizeof text - 1);
    memcpy(data + 1 + sizeof text, normalizer.data + header, normalizer.size - header);
    return 1 + sizeof text + normalizer.size - header;
}
