/* SPDX-License-Identifier: Apache-2.0 */
/* splitmix64 (Steele, Lea, Flood 2014): the number that follows a state, all 64 bits mixed. */
#ifndef DEBERTA_BASE_RANDOM_H
#define DEBERTA_BASE_RANDOM_H

#include <stdint.h>

static inline uint64_t random_mix(uint64_t state)
{
    uint64_t z = state + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

#endif
