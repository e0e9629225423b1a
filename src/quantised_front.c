/* From grey pictures to the first levels of 8 bits; compiled once for each instruction set. */
#include "quantised_vectors.h"

#include <math.h>

/* A picture, standardised and scaled, with a zero all round it. */
static void scaled(const struct quantised_front *of, const uint8_t *picture, float *room,
                   float *out) {
  const int32_t side = of->side, wide = of->scaled, line = wide + 2, count = side * side;
  int64_t sum = 0, squares = 0;
  for (int32_t k = 0; k < count; k++) {
    sum += picture[k];
    squares += picture[k] * picture[k];
  }
  const double mean = (double)sum / count, square = (double)squares / count - mean * mean;
  const float middle = (float)mean, spread = (float)sqrt(square > 0.0 ? square : 0.0) + of->added;
  for (int32_t y = 0; y < side; y++) {
    float levels[256];
    for (int32_t x = 0; x < side; x++) levels[x] = (picture[y * side + x] - middle) / spread;
    for (int32_t x = 0; x < wide; x++)
      room[y * wide + x] = levels[of->pairs[2 * x]] * of->shares[2 * x] +
                           levels[of->pairs[2 * x + 1]] * of->shares[2 * x + 1];
  }
  memset(out, 0, (size_t)line * sizeof *out);
  memset(out + (int64_t)(wide + 1) * line, 0, (size_t)line * sizeof *out);
  for (int32_t y = 0; y < wide; y++) {
    const float *above = room + of->pairs[2 * y] * wide, *below = room + of->pairs[2 * y + 1] * wide;
    const float upper = of->shares[2 * y], lower = of->shares[2 * y + 1];
    float *to = out + (int64_t)(y + 1) * line;
    to[0] = to[wide + 1] = 0.0f;
    for (int32_t x = 0; x < wide; x++) to[x + 1] = above[x] * upper + below[x] * lower;
  }
}

INLINE floats bounded(floats value, floats most) {
  return WIDE(min_ps)(WIDE(max_ps)(value, WIDE(set1_ps)(0.0f)), most);
}

/* The weights of a convolution, to be kept in registers: what is written might be they, for all
 * that the compiler knows. */
INLINE void taken(const float *from, floats (*weights)[PARTS]) {
  UNROLLED
  for (int k = 0; k < TAPS; k++)
    UNROLLED
    for (int p = 0; p < PARTS; p++) weights[k][p] = floats_at(from + (k * PARTS + p) * LANES);
}

/* A line of the first convolution, its columns from the second place on. */
static void first_line(const struct quantised_front *of, const float *picture, int32_t y,
                       float *to) {
  const int32_t line = of->scaled + 2, stride = of->stride, out = of->out;
  const float *from = picture + (int64_t)(y * stride + 1 - of->before) * line + 1 - of->before;
  const floats most = WIDE(set1_ps)(of->most);
  floats weights[TAPS][PARTS], bias[PARTS];
  taken(of->first, weights);
  UNROLLED
  for (int p = 0; p < PARTS; p++) bias[p] = floats_at(of->first_bias + p * LANES);
  for (int32_t x = 0; x < out; x++, from += stride) {
    floats sums[PARTS];
    UNROLLED
    for (int p = 0; p < PARTS; p++) sums[p] = bias[p];
    UNROLLED
    for (int k = 0; k < TAPS; k++) {
      const floats level = WIDE(set1_ps)(from[k / 3 * line + k % 3]);
      UNROLLED
      for (int p = 0; p < PARTS; p++) sums[p] = WIDE(fmadd_ps)(level, weights[k][p], sums[p]);
    }
    UNROLLED
    for (int p = 0; p < PARTS; p++)
      WIDE(storeu_ps)(to + ((x + 1) * PARTS + p) * LANES, bounded(sums[p], most));
  }
}

/* A line of the second convolution, as levels. */
static void second_line(const struct quantised_front *of, const float *const *rows, uint8_t *to) {
  const floats most = WIDE(set1_ps)(of->most), per_level = WIDE(set1_ps)(of->per_level);
  const float *const upper = rows[0], *const middle = rows[1], *const lower = rows[2];
  const int32_t out = of->out;
  floats weights[TAPS][PARTS], bias[PARTS];
  taken(of->second, weights);
  UNROLLED
  for (int p = 0; p < PARTS; p++) bias[p] = floats_at(of->second_bias + p * LANES);
  for (int32_t x = 0; x < out; x++) {
    UNROLLED
    for (int p = 0; p < PARTS; p++) {
      floats sum = bias[p];
      UNROLLED
      for (int k = 0; k < TAPS; k++) {
        const float *row = k < 3 ? upper : k < 6 ? middle : lower;
        sum = WIDE(fmadd_ps)(floats_at(row + ((x + k % 3) * PARTS + p) * LANES), weights[k][p], sum);
      }
      const ints rounded = WIDE(cvtps_epi32)(WIDE(mul_ps)(bounded(sum, most), per_level));
      as_bytes(rounded, to + (x * PARTS + p) * LANES);
    }
  }
}

void QUANTISED_FRONT(const struct quantised_front *of, const uint8_t *picture, float *room,
                     uint8_t *out) {
  const int64_t line = (int64_t)(of->out + 2) * FRONT_CHANNELS;
  float *const large = room + (int64_t)of->side * of->scaled;
  float *const lines = large + (int64_t)(of->scaled + 2) * (of->scaled + 2);
  scaled(of, picture, room, large);
  memset(lines, 0, (size_t)(4 * line) * sizeof *lines);  /* the last stays zero */
  for (int32_t y = 0; y <= of->out; y++) {
    if (y < of->out) first_line(of, large, y, lines + y % 3 * line);
    if (y == 0) continue;
    const float *rows[3];
    for (int32_t r = 0; r < 3; r++) {
      const int32_t row = y - 2 + r;
      rows[r] = lines + (row < 0 || row >= of->out ? 3 : row % 3) * line;
    }
    second_line(of, rows, out + (int64_t)(y - 1) * of->out * FRONT_CHANNELS);
  }
}
