/* A network of separable convolutions, as steps; emostress_ros/inference/separable/ makes them.
 *
 * Numbers are floats, channel beside channel, a multiple of SEPARABLE_CHANNELS of them.
 */
#ifndef EMOSTRESS_SEPARABLE_H
#define EMOSTRESS_SEPARABLE_H

#include <stdint.h>

enum { SEPARABLE_CHANNELS = 16, SEPARABLE_PARTS = 4 };

enum separable_kind {
  SEPARABLE_STEM,  /* 3×3 of all planes of an image, every second place; then no less than 0 */
  SEPARABLE_UNIT,  /* 1×1 of all channels, 3×3 of each alone */
  SEPARABLE_POOL,  /* the most of 2×2 */
  SEPARABLE_ADD,   /* and another of half the size, each place of it four times */
  SEPARABLE_HEAD,  /* a unit whose channels go to outputs of their own */
};

struct separable_step {
  int32_t kind, rows, columns;       /* of the input */
  int32_t in_channels, channels;     /* planes of a stem */
  int32_t bounded;                   /* a unit: then no less than 0 */
  const float *in, *other;
  float *out;
  const float *weights;  /* (in_channels, channels); a stem: (planes · 9, channels) */
  const float *bias;     /* (channels) */
  const float *spatial;  /* (9, channels) */
  const float *spatial_bias;
  float *lines;          /* room: a stem: planes · 3 lines of columns + 2;
                            a unit: four lines of (columns + 2, channels) and one of (columns, channels) */
  float *parts[SEPARABLE_PARTS];  /* a head: (images · rows · columns, sizes) */
  int32_t sizes[SEPARABLE_PARTS], squashed[SEPARABLE_PARTS];  /* channels; by the logistic function */
};

typedef void separable_function(const struct separable_step *steps, int64_t count, int64_t image);

separable_function separable_plain, separable_avx2, separable_avx512;

#endif
