/* Runs a plan of 8-bit convolutions; compiled once for each instruction set. */
#include "quantised_vectors.h"

#include <math.h>

/* Sums of COLUMNS columns to levels. */
INLINE void store(const ints *sums, const float *factors, uint8_t *out) {
  ints levels[BLOCK];
  for (int v = 0; v < BLOCK; v++) {
    const floats scaled = WIDE(mul_ps)(WIDE(cvtepi32_ps)(sums[v]), floats_at(factors + v * LANES));
    levels[v] = WIDE(cvtps_epi32)(WIDE(min_ps)(scaled, WIDE(set1_ps)(255.0f)));
  }
  const ints low = WIDE(packs_epi32)(levels[0], levels[1]);
  const ints high = WIDE(packs_epi32)(levels[2], levels[3]);
  const ints packed = WIDE(packus_epi16)(low, high);
  memcpy(out, &packed, sizeof packed);
}

/* 1×1: a few pixels, one block of columns. */
INLINE void tile(int rows, const struct quantised_layer *of, const uint8_t *in, int32_t block,
                 uint8_t *out) {
  const int32_t depth = of->in_channels;
  const int8_t *weights = of->weights + (int64_t)block * COLUMNS * depth;
  const int32_t *bias = of->bias + block * COLUMNS;
  ints sums[MOST_ROWS][BLOCK];
  UNROLLED
  for (int r = 0; r < rows; r++)
    UNROLLED
    for (int v = 0; v < BLOCK; v++) sums[r][v] = ints_at(bias + v * LANES);
  for (int32_t k = 0; k < depth; k += 4, weights += BLOCK * WIDTH) {
    ints levels[MOST_ROWS];
    UNROLLED
    for (int r = 0; r < rows; r++) {
      int32_t four;
      memcpy(&four, in + (int64_t)r * depth + k, sizeof four);
      levels[r] = WIDE(set1_epi32)(four);
    }
    UNROLLED
    for (int v = 0; v < BLOCK; v++) {
      const ints column = ints_at(weights + v * WIDTH);
      UNROLLED
      for (int r = 0; r < rows; r++) sums[r][v] = dot(sums[r][v], levels[r], column);
    }
  }
  UNROLLED
  for (int r = 0; r < rows; r++)
    store(sums[r], of->factors + block * COLUMNS,
          out + (int64_t)r * of->channels + block * COLUMNS);
}

static void pointwise(const struct quantised_layer *of, const uint8_t *in, int64_t pixels,
                      uint8_t *out) {
  const int64_t tiles = (pixels + MOST_ROWS - 1) / MOST_ROWS;
  for (int32_t block = 0; block < of->channels / COLUMNS; block++)
    for (int64_t at = 0; at < tiles; at++) {  /* of about the same size, the last not a rest */
      const int64_t begin = pixels * at / tiles, rows = pixels * (at + 1) / tiles - begin;
      const uint8_t *from = in + begin * of->in_channels;
      uint8_t *to = out + begin * of->channels;
      switch (rows) {
        case 1: tile(1, of, from, block, to); break;
        case 2: tile(2, of, from, block, to); break;
        case 3: tile(3, of, from, block, to); break;
#if LANES == 16
        case 4: tile(4, of, from, block, to); break;
        case 5: tile(5, of, from, block, to); break;
        case 6: tile(6, of, from, block, to); break;
#endif
      }
    }
}

/* Three levels, one below the other, and a zero, side by side in each lane. */
INLINE void turned(const uint8_t *const *rows, int64_t at, uint8_t *to) {
  const ints none = WIDE(set1_epi32)(0), below = ints_at(rows[2] + at);
  const ints upper = ints_at(rows[0] + at), middle = ints_at(rows[1] + at);
  const ints left = WIDE(unpacklo_epi8)(upper, middle), right = WIDE(unpackhi_epi8)(upper, middle);
  const ints left_ = WIDE(unpacklo_epi8)(below, none), right_ = WIDE(unpackhi_epi8)(below, none);
  const ints four[BLOCK] = {
      WIDE(unpacklo_epi16)(left, left_), WIDE(unpackhi_epi16)(left, left_),
      WIDE(unpacklo_epi16)(right, right_), WIDE(unpackhi_epi16)(right, right_)};
  memcpy(to, four, sizeof four);
}

/* 3×3 of each channel alone, of one picture. */
static void depthwise(const struct quantised_layer *of, const uint8_t *in, uint8_t *columns,
                      uint8_t *out) {
  static const uint8_t nothing[WIDTH];
  const int32_t side = of->in_side, channels = of->channels;
  const int64_t line = (int64_t)side * channels;
  for (int32_t block = 0; block < channels / COLUMNS; block++) {
    const int32_t channel = block * COLUMNS;
    ints weights[3][BLOCK];
    memcpy(weights, of->weights + (int64_t)block * sizeof weights, sizeof weights);
    memset(columns, 0, (size_t)of->before * BLOCK * WIDTH);
    memset(columns + (int64_t)(of->before + side) * BLOCK * WIDTH, 0, (size_t)2 * BLOCK * WIDTH);
    for (int32_t y = 0; y < of->side; y++) {
      const uint8_t *rows[3];
      int64_t steps[3];
      for (int32_t r = 0; r < 3; r++) {
        const int32_t row = y * of->stride - of->before + r, inside = row >= 0 && row < side;
        rows[r] = inside ? in + row * line + channel : nothing;
        steps[r] = inside ? channels : 0;
      }
      for (int32_t x = 0; x < side; x++) {
        turned(rows, 0, columns + (int64_t)(of->before + x) * BLOCK * WIDTH);
        for (int32_t r = 0; r < 3; r++) rows[r] += steps[r];
      }
      for (int32_t x = 0; x < of->side; x++) {
        const uint8_t *from = columns + (int64_t)x * of->stride * BLOCK * WIDTH;
        ints sums[BLOCK];
        for (int v = 0; v < BLOCK; v++) {
          sums[v] = ints_at(of->bias + channel + v * LANES);
          for (int k = 0; k < 3; k++)
            sums[v] = dot(sums[v], ints_at(from + (k * BLOCK + v) * WIDTH), weights[k][v]);
        }
        store(sums, of->factors + channel, out + ((int64_t)y * of->side + x) * channels + channel);
      }
    }
  }
}

/* Some pictures, one block of columns of a product of floats. */
INLINE void product(int rows, const struct quantised_dense *of, const float *in, int32_t column,
                    float *out) {
  floats sums[4][BLOCK];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < BLOCK; v++) sums[r][v] = floats_at(of->bias + column + v * LANES);
  for (int32_t k = 0; k < of->inputs; k++)
    for (int v = 0; v < BLOCK; v++) {
      const floats weights = floats_at(of->weights + (int64_t)k * of->outputs + column + v * LANES);
      for (int r = 0; r < rows; r++)
        sums[r][v] = WIDE(fmadd_ps)(WIDE(set1_ps)(in[(int64_t)r * of->inputs + k]), weights,
                                    sums[r][v]);
    }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < BLOCK; v++)
      WIDE(storeu_ps)(out + (int64_t)r * of->outputs + column + v * LANES, sums[r][v]);
}

static void softmax(float *values, int32_t count) {
  float most = values[0], sum = 0.0f;
  for (int32_t k = 1; k < count; k++) most = values[k] > most ? values[k] : most;
  for (int32_t k = 0; k < count; k++) sum += values[k] = expf(values[k] - most);
  for (int32_t k = 0; k < count; k++) values[k] /= sum;
}

static void dense(const struct quantised_dense *of, const float *in, int64_t count, float *out) {
  const int32_t blocks = of->outputs / COLUMNS;
  for (int32_t block = 0; block < blocks; block++)
    for (int64_t row = 0; row < count;) {
      const float *from = in + row * of->inputs;
      float *to = out + row * of->outputs;
      if (count - row >= 4) {
        product(4, of, from, block * COLUMNS, to);
        row += 4;
      } else {
        product(1, of, from, block * COLUMNS, to);
        row += 1;
      }
    }
  for (int64_t row = 0; row < count; row++, in += of->inputs, out += of->outputs) {
    for (int32_t column = blocks * COLUMNS; column < of->outputs; column++) {
      float sum = of->bias[column];
      for (int32_t k = 0; k < of->inputs; k++) sum += in[k] * of->weights[k * of->outputs + column];
      out[column] = sum;
    }
    for (int32_t k = 0; k < of->outputs; k++) out[k] /= of->divisor;
    if (of->softmax) softmax(out, of->outputs);
  }
}

static void means(const struct quantised_plan *plan, const uint8_t *levels, int64_t count) {
  const int32_t channels = plan->layers[plan->layer_count - 1].channels;
  for (int64_t picture = 0; picture < count; picture++, levels += plan->pixels * channels)
    for (int32_t channel = 0; channel < channels; channel++) {
      int32_t sum = 0;
      for (int32_t pixel = 0; pixel < plan->pixels; pixel++) sum += levels[pixel * channels + channel];
      plan->means[picture * channels + channel] = (float)sum * plan->mean_factor;
    }
}

static void layer(const struct quantised_plan *plan, const struct quantised_layer *of,
                  const uint8_t *in, int64_t count, uint8_t *out) {
  const int64_t pixels = (int64_t)of->side * of->side, before = (int64_t)of->in_side * of->in_side;
  if (!of->depthwise)
    pointwise(of, in, count * pixels, out);
  for (int64_t picture = 0; of->depthwise && picture < count; picture++)
    depthwise(of, in + picture * before * of->channels, plan->columns,
              out + picture * pixels * of->channels);
}

void QUANTISED_FUNCTION(const struct quantised_plan *plan, const uint8_t *pictures, int64_t count,
                        float *const *outputs) {
  const int32_t pixels = plan->front.side * plan->front.side;
  const struct quantised_layer *const last = plan->layers + plan->together - 1;
  for (int64_t begin = 0; begin < count; begin += plan->most) {
    const int64_t some = count - begin < plan->most ? count - begin : plan->most;
    for (int64_t picture = 0; picture < some; picture++) {
      QUANTISED_FRONT(&plan->front, pictures + (begin + picture) * pixels, plan->pictures, plan->apart[0]);
      for (int32_t k = 0; k < plan->together; k++)
        layer(plan, plan->layers + k, plan->apart[k % 2], 1,
              plan->layers + k == last
                  ? plan->side_by_side[0] + picture * last->side * last->side * last->channels
                  : plan->apart[(k + 1) % 2]);
    }
    int32_t at = 0;
    for (int32_t k = plan->together; k < plan->layer_count; k++, at = 1 - at)
      layer(plan, plan->layers + k, plan->side_by_side[at], some, plan->side_by_side[1 - at]);
    means(plan, plan->side_by_side[at], some);
    for (int32_t k = 0; k < plan->dense_count; k++) {
      const struct quantised_dense *of = plan->dense + k;
      dense(of, of->from < 0 ? plan->means : outputs[of->from] + begin * of->inputs, some,
            outputs[k] + begin * of->outputs);
    }
  }
}
