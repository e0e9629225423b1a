/* Runs a network of separable convolutions; compiled once for each instruction set. */
#include "separable.h"

#include "lanes.h"

#include <math.h>

#define UNROLLED _Pragma("GCC unroll 8")

/* Vectors of a block of columns, and places that go side by side: as many sums as there are
 * registers for. */
#ifdef __AVX512VL__
enum { BLOCK = 4, PLACES = 6 };
#else
enum { BLOCK = 2, PLACES = 4 };
#endif
enum { TAPS = 9, WIDTH = BLOCK * LANES, REST = 16 / LANES < BLOCK ? 16 / LANES : BLOCK };

INLINE vector most(vector one, vector other) { return choose(one > other, one, other); }

/* Products with a few places' numbers, `step` apart, for `vectors` vectors of columns. */
INLINE void tile(int places, int vectors, const float *in, int64_t step, int32_t depth,
                 const float *weights, int32_t channels, const float *bias, float *out) {
  vector sums[PLACES][BLOCK];
  UNROLLED
  for (int p = 0; p < places; p++)
    UNROLLED
    for (int v = 0; v < vectors; v++) sums[p][v] = load(bias + v * LANES);
  for (int32_t k = 0; k < depth; k++, weights += channels)
    UNROLLED
    for (int v = 0; v < vectors; v++) {
      const vector column = load(weights + v * LANES);
      UNROLLED
      for (int p = 0; p < places; p++) sums[p][v] += column * in[p * step + k];
    }
  UNROLLED
  for (int p = 0; p < places; p++)
    UNROLLED
    for (int v = 0; v < vectors; v++)
      store(out + (int64_t)p * channels + v * LANES, sums[p][v]);
}

INLINE void tiles(int vectors, const struct separable_step *of, const float *in, int32_t column,
                  float *out) {
  const int32_t depth = of->in_channels, channels = of->channels;
  const int32_t count = (of->columns + PLACES - 1) / PLACES;
  for (int32_t at = 0; at < count; at++) {  /* of about the same size, the last not a rest */
    const int32_t begin = of->columns * at / count, places = of->columns * (at + 1) / count - begin;
    const float *from = in + (int64_t)begin * depth;
    float *to = out + (int64_t)begin * channels + column;
#define TILE(n)                                                                                   \
  case n:                                                                                         \
    tile(n, vectors, from, depth, depth, of->weights + column, channels, of->bias + column, to); \
    break
    switch (places) {
      TILE(1);
      TILE(2);
      TILE(3);
      TILE(4);
#ifdef __AVX512VL__
      TILE(5);
      TILE(6);
#endif
    }
  }
}

/* 1×1 of all channels, for a line. */
static void pointwise(const struct separable_step *of, const float *in, float *out) {
  int32_t column = 0;
  for (; column + WIDTH <= of->channels; column += WIDTH) tiles(BLOCK, of, in, column, out);
  for (; column < of->channels; column += REST * LANES) tiles(REST, of, in, column, out);
}

/* 3×3 of each channel alone, for a line; the lines have a place more on both sides. */
static void depthwise(const struct separable_step *of, const float *const *lines, float *out) {
  const int32_t channels = of->channels, columns = of->columns, bounded = of->bounded;
  for (int32_t channel = 0; channel < channels; channel += LANES) {
    vector weights[TAPS];
    UNROLLED
    for (int k = 0; k < TAPS; k++) weights[k] = load(of->spatial + k * channels + channel);
    const vector bias = load(of->spatial_bias + channel);
    const float *const upper = lines[0] + channel, *const middle = lines[1] + channel;
    const float *const lower = lines[2] + channel;
    for (int32_t x = 0; x < columns; x++) {
      const int64_t at = (int64_t)x * channels;
      vector sums[3] = {bias, all(0.0f), all(0.0f)};  /* apart, so that none waits for another */
      UNROLLED
      for (int k = 0; k < 3; k++) {
        const int64_t place = at + (int64_t)k * channels;
        sums[0] += load(upper + place) * weights[k];
        sums[1] += load(middle + place) * weights[3 + k];
        sums[2] += load(lower + place) * weights[6 + k];
      }
      const vector sum = sums[0] + (sums[1] + sums[2]);
      store(out + at + channel, bounded ? most(sum, all(0.0f)) : sum);
    }
  }
}

/* The line of a head to its outputs. */
static void parted(const struct separable_step *of, const float *line, int64_t begin) {
  int32_t channel = 0;
  for (int32_t part = 0; part < SEPARABLE_PARTS; channel += of->sizes[part++]) {
    const int32_t size = of->sizes[part];
    float *to = of->parts[part] + begin * size;
    for (int32_t x = 0; x < of->columns; x++)
      for (int32_t k = 0; k < size; k++) {
        const float value = line[(int64_t)x * of->channels + channel + k];
        *to++ = of->squashed[part] ? 1.0f / (1.0f + expf(-value)) : value;
      }
  }
}

static void unit(const struct separable_step *of, int64_t image) {
  const int64_t width = (int64_t)of->columns * of->channels;
  const int64_t line = width + 2 * of->channels, in_line = (int64_t)of->columns * of->in_channels;
  float *const lines = of->lines, *const nothing = lines + 3 * line, *const last = lines + 4 * line;
  memset(lines, 0, (size_t)(4 * line) * sizeof *lines);
  for (int32_t y = 0; y <= of->rows; y++) {
    if (y < of->rows)
      pointwise(of, of->in + y * in_line, lines + y % 3 * line + of->channels);
    if (y == 0) continue;
    const float *three[3];
    for (int32_t k = 0; k < 3; k++) {
      const int32_t row = y - 2 + k;
      three[k] = row < 0 || row >= of->rows ? nothing : lines + row % 3 * line;
    }
    const int head = of->kind == SEPARABLE_HEAD;
    depthwise(of, three, head ? last : of->out + (y - 1) * width);
    if (head) parted(of, last, ((int64_t)image * of->rows + y - 1) * of->columns);
  }
}

/* A few places of a line of the stem, all channels. */
INLINE void stem_tile(int places, const struct separable_step *of, int32_t x, float *out) {
  const int32_t line = of->columns + 2, channels = of->channels;
  enum { VECTORS = SEPARABLE_CHANNELS / LANES };
  for (int32_t channel = 0; channel < channels; channel += SEPARABLE_CHANNELS) {
    const float *weights = of->weights + channel;
    vector sums[PLACES][VECTORS];
    UNROLLED
    for (int p = 0; p < places; p++)
      UNROLLED
      for (int v = 0; v < VECTORS; v++) sums[p][v] = load(of->bias + channel + v * LANES);
    for (int32_t k = 0; k < of->in_channels * 3; k++) {
      const float *const from = of->lines + (int64_t)k * line + 2 * x;
      UNROLLED
      for (int t = 0; t < 3; t++, weights += channels)
        UNROLLED
        for (int v = 0; v < VECTORS; v++) {
          const vector column = load(weights + v * LANES);
          UNROLLED
          for (int p = 0; p < places; p++) sums[p][v] += column * from[2 * p + t];
        }
    }
    UNROLLED
    for (int p = 0; p < places; p++)
      UNROLLED
      for (int v = 0; v < VECTORS; v++)
        store(out + (int64_t)(x + p) * channels + channel + v * LANES,
              most(sums[p][v], all(0.0f)));
  }
}

/* 3×3 of all planes, at every second place. */
static void stem(const struct separable_step *of, int64_t image) {
  const int32_t columns = of->columns, rows = of->rows, planes = of->in_channels;
  const int32_t wide = columns / 2, line = columns + 2;
  const float *const from = of->in + image * planes * rows * columns;
  for (int32_t y = 0; y < rows / 2; y++) {
    for (int32_t k = 0; k < planes * 3; k++) {
      const int32_t row = 2 * y - 1 + k % 3;
      float *const to = of->lines + (int64_t)k * line;
      to[0] = to[columns + 1] = 0.0f;
      if (row < 0)
        memset(to + 1, 0, (size_t)columns * sizeof *to);
      else
        memcpy(to + 1, from + ((int64_t)(k / 3) * rows + row) * columns,
               (size_t)columns * sizeof *to);
    }
    float *const out = of->out + (int64_t)y * wide * of->channels;
    int32_t x = 0;
    for (; x + PLACES <= wide; x += PLACES) stem_tile(PLACES, of, x, out);
    for (; x < wide; x++) stem_tile(1, of, x, out);
  }
}

static void pool(const struct separable_step *of) {
  const int64_t channels = of->channels, width = of->columns * channels;
  float *out = of->out;
  for (int32_t y = 0; y < of->rows / 2; y++) {
    const float *upper = of->in + 2 * y * width, *lower = upper + width;
    for (int32_t x = 0; x < of->columns / 2; x++, upper += 2 * channels, lower += 2 * channels)
      for (int64_t k = 0; k < channels; k += LANES, out += LANES)
        store(out, most(most(load(upper + k), load(upper + channels + k)),
                        most(load(lower + k), load(lower + channels + k))));
  }
}

static void add(const struct separable_step *of) {
  const int64_t channels = of->channels;
  const float *in = of->in;
  float *out = of->out;
  for (int32_t y = 0; y < of->rows; y++)
    for (int32_t x = 0; x < of->columns; x++) {
      const float *other = of->other + ((int64_t)(y / 2) * (of->columns / 2) + x / 2) * channels;
      for (int64_t k = 0; k < channels; k += LANES, in += LANES, out += LANES)
        store(out, load(in) + load(other + k));
    }
}

void SEPARABLE_FUNCTION(const struct separable_step *steps, int64_t count, int64_t image) {
  for (const struct separable_step *step = steps; step < steps + count; step++) switch (step->kind) {
      case SEPARABLE_STEM: stem(step, image); break;
      case SEPARABLE_UNIT: case SEPARABLE_HEAD: unit(step, image); break;
      case SEPARABLE_POOL: pool(step); break;
      case SEPARABLE_ADD: add(step); break;
    }
}
