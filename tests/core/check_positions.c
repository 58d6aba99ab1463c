/* SPDX-License-Identifier: Apache-2.0 */
/* Relative positions: the rows of distances, against buckets of transformers. */
#include <string.h>

#include "check.h"
#include "deberta.h"
#include "model/positions.h"

/* Buckets of make_log_bucket_position for (256, 512), from transformers. */
static void check_positions(void)
{
    static const struct {
        ptrdiff_t distance, bucket;
    } wanted[] = {{0, 0},     {1, 1},     {127, 127}, {128, 128}, {129, 129}, {131, 131}, {140, 137},
                  {160, 149}, {192, 166}, {200, 169}, {255, 192}, {256, 192}, {257, 192}, {300, 207},
                  {384, 229}, {400, 233}, {500, 254}, {510, 255}, {511, 255}, {512, 256}, {600, 270}};
    struct distances d;
    CHECK(positions_init(&d, 256, 512) == DEBERTA_OK);
    CHECK(d.span == 256 && d.direct == 131 && d.reach == 512);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        ptrdiff_t up = wanted[i].bucket + 256, down = 256 - wanted[i].bucket;
        CHECK(distance_row(&d, wanted[i].distance) == (size_t)(up > 511 ? 511 : up));
        CHECK(distance_row(&d, -wanted[i].distance) == (size_t)(down < 0 ? 0 : down));
    }
    CHECK(distance_row(&d, 100000) == 511 && distance_row(&d, -100000) == 0);
    positions_release(&d);
    CHECK(positions_init(&d, 0, 4) == DEBERTA_OK);
    for (ptrdiff_t r = -9; r <= 9; r++)
        CHECK(distance_row(&d, r) == (size_t)(r < -4 ? 0 : r > 3 ? 7 : r + 4));
    positions_release(&d);
    /* the middle beyond the largest distance: log(160 / 128) / log(99 / 128) * 127 = -110.3 */
    CHECK(positions_init(&d, 256, 100) == DEBERTA_OK && d.direct == 128);
    CHECK(distance_row(&d, 128) == 384 && distance_row(&d, 160) == 256 + 128 - 110);
    CHECK(distance_row(&d, -160) == 256 - 128 + 110 && distance_row(&d, 100000) == 0);
    positions_release(&d);
    CHECK(positions_init(&d, 256, 129) == DEBERTA_ARGUMENT && strstr(deberta_message(), "129")); /* log(1) divides */
    CHECK(positions_init(&d, 1, 100) == DEBERTA_ARGUMENT);
}

int main(void)
{
    check_positions();
    return 0;
}
