/* A network of 8-bit convolutions, as a plan; emostress_ros/inference/quantised/ makes it.
 *
 * Levels are unsigned bytes, channel beside channel; weights are signed bytes.
 */
#ifndef EMOSTRESS_QUANTISED_H
#define EMOSTRESS_QUANTISED_H

#include <stdint.h>

enum { FRONT_CHANNELS = 32, TAPS = 9, BLOCK = 4 };

/* Grey pictures, standardised, scaled, through two convolutions of floats to levels. */
struct quantised_front {
  int32_t side, scaled;          /* of a picture, before and after scaling */
  int32_t before, stride, out;   /* of the first convolution: zeros above and left; what it gives */
  float added, most, per_level;  /* to the deviation; bound of both convolutions; levels a unit */
  const int32_t *pairs;          /* of each scaled column: the two pixels it lies between */
  const float *shares;           /* and the share of each */
  const float *first, *first_bias;    /* (9, 32), (32) */
  const float *second, *second_bias;  /* the same, of each channel alone; one zero all round */
};

/* 1×1 of all channels, or 3×3 of each channel alone; with the bound and the rounding after it.
 *
 * Columns come in blocks of BLOCK vectors, whose order is that in which packing instructions take
 * them: vector v, part l of 16 bytes, place c hold column 16 l + 4 v + c.
 */
struct quantised_layer {
  int32_t depthwise, stride, before;
  int32_t in_side, side, in_channels, channels;
  const int8_t *weights;  /* 1×1: blocks of (in_channels / 4, BLOCK, lanes, 4);
                             3×3: blocks of (3 columns, BLOCK, lanes, 3 rows and a zero) */
  const int32_t *bias;
  const float *factors;   /* from sums to levels */
};

/* Products of floats with what came before: -1 for the means, or an earlier one. */
struct quantised_dense {
  int32_t from, inputs, outputs, softmax;
  float divisor;
  const float *weights;  /* (inputs, outputs) */
  const float *bias;
};

struct quantised_plan {
  struct quantised_front front;
  const struct quantised_layer *layers;
  const struct quantised_dense *dense;
  int32_t layer_count, dense_count;
  int32_t together;    /* the layer from which on all pictures go side by side */
  int32_t most;        /* pictures that do */
  int32_t pixels;      /* of the last layer, a picture */
  float mean_factor;   /* from the sum over them to their mean */
  float *pictures;     /* room: (side, scaled), (scaled + 2)², 4 lines of the first convolution */
  uint8_t *apart[2];   /* room for a picture's levels */
  uint8_t *side_by_side[2];
  uint8_t *columns;    /* room for a line of a 3×3 layer: (in_side + 2) blocks of 4 bytes */
  float *means;
};

typedef void quantised_function(const struct quantised_plan *plan, const uint8_t *pictures,
                                int64_t count, float *const *outputs);

quantised_function quantised_avx512, quantised_avxvnni;

#endif
