/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a WordPiece vocabulary, stages and a text (tokenizers.h). */
#include "tokenizers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tokenizer(DEBERTA_WORDPIECE, (struct input){data, size});
    return 0;
}

size_t fuzz_seed(uint32_t number, uint8_t *data, size_t capacity)
{
    (void)capacity;
    return write_seed(number, "[UNK]\na\nab\n##b\n##c\n##bc\n##\nc\n,\n.\n1\n##2\n'\nl\n##l\n\xC3\xA9\n\xE6\x97\xA5\n",
                      data);
}
