/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a BPE vocabulary with its merges, stages and a text (tokenizers.h). */
#include "tokenizers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tokenizer(DEBERTA_BPE, (struct input){data, size});
    return 0;
}

size_t fuzz_seed(uint32_t number, uint8_t *data, size_t capacity)
{
    (void)capacity;
    static const char *const lines[] = {
        "[UNK]\na\nb\nc\nab\nabc\nbc\n\xC4\xA0\n\xC4\xA0"
        "a\n\xC3\x83\n\xC2\xA9\n\xC3\x83\xC2\xA9\n,\n.\n'\nl\nll\n\na b\nab c\n\xC4\xA0 a\n"
        "\xC3\x83 \xC2\xA9\nl l\nb c\n",
        "[UNK]\na\nb\nc\n##b\n##c\nab\n##bc\n<0x0A>\n<0xC3>\n<0xA9>\n\na ##b\n##b ##c\n",
        "[UNK]\na\nb\nc</w>\nb</w>\nab</w>\na</w>\nab\nbc</w>\n\na b</w>\na b\nb c</w>\n",
    };
    return write_seed(number, lines[number % 3], data);
}
