/* Cut-outs of camera images, scaled for a detector; see images.h. */
#include "images.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { PIXEL = 4, LINES = 4, WEIGHT_BITS = 22, MOST_TAPS = 5, PART = 32 };

typedef int32_t four_numbers __attribute__((vector_size(16)));
typedef uint8_t four_bytes __attribute__((vector_size(4)));
/* Wider ones are made of what the processor has. */
typedef int32_t numbers __attribute__((vector_size(64)));

/* Four bytes as four numbers: one instruction each for load and spread, where GCC's own conversion
 * takes the bytes one by one. */
static inline four_numbers four_at(const uint8_t *from) {
#if defined(__GNUC__) && !defined(__clang__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  typedef uint8_t bytes __attribute__((vector_size(16)));
  int32_t all;
  memcpy(&all, from, sizeof all);
  const bytes places = {0, 16, 16, 16, 1, 16, 16, 16, 2, 16, 16, 16, 3, 16, 16, 16};
  return (four_numbers)__builtin_shuffle((bytes)(four_numbers){all}, (bytes){0}, places);
#else
  four_bytes pixel;
  memcpy(&pixel, from, sizeof pixel);
  return __builtin_convertvector(pixel, four_numbers);
#endif
}

/* Sixteen numbers of a byte each, side by side. */
static inline __attribute__((always_inline)) void store_bytes(const numbers *from, uint8_t *to) {
#ifdef __SSE2__
  __m128i four[4];
  memcpy(four, from, sizeof four);
  const __m128i low = _mm_packs_epi32(four[0], four[1]), high = _mm_packs_epi32(four[2], four[3]);
  _mm_storeu_si128((__m128i *)to, _mm_packus_epi16(low, high));
#else
  for (int32_t k = 0; k < 16; k++) to[k] = (uint8_t)(*from)[k];
#endif
}

struct taps {
  int32_t first;
  int32_t weights[MOST_TAPS];
};

/* Weights of the triangle filter for each of `out` pixels, from `in`, in / out < 2; returns how many
 * pixels take part at most.  A weight beyond those that do is 0. */
static int32_t triangle(struct taps *taps, int32_t in, int32_t out) {
  const double scale = (double)in / out;
  const double reach = scale < 1.0 ? 1.0 : scale;
  int32_t most = 1;
  for (int32_t at = 0; at < out; at++) {
    const double centre = (at + 0.5) * scale;
    int32_t first = (int32_t)(centre - reach + 0.5), end = (int32_t)(centre + reach + 0.5);
    double weights[MOST_TAPS] = {0.0}, sum = 0.0;
    first = first < 0 ? 0 : first;
    end = end > in ? in : end;
    end = end > first + MOST_TAPS ? first + MOST_TAPS : end;
    most = end - first > most ? end - first : most;
    for (int32_t k = 0; k < end - first; k++) {
      const double aside = fabs((k + first - centre + 0.5) * (1.0 / reach));
      weights[k] = aside < 1.0 ? 1.0 - aside : 0.0;
      sum += weights[k];
    }
    taps[at].first = first;
    for (int32_t k = 0; k < MOST_TAPS; k++)
      taps[at].weights[k] = (int32_t)(0.5 + weights[k] / sum * (1 << WEIGHT_BITS));
  }
  return most;
}

/* Four lines of pixels side by side, each channel as a number: 16 of them a column, the fourth of
 * each four of no use. */
WIDE static void spread(const uint8_t *const *lines, int32_t columns, four_numbers *out) {
  for (int32_t x = 0; x < columns - 1; x++)
    for (int32_t line = 0; line < LINES; line++)
      out[LINES * x + line] = four_at(lines[line] + CHANNELS * x);
  for (int32_t line = 0; line < LINES; line++) {  /* behind the last there is nothing to read */
    const uint8_t *pixel = lines[line] + CHANNELS * (columns - 1);
    out[LINES * (columns - 1) + line] = (four_numbers){pixel[0], pixel[1], pixel[2], 0};
  }
}

/* Four lines, scaled; `count` pixels take part in each. */
static inline __attribute__((always_inline)) void across_by(const four_numbers *columns,
                                                            const struct taps *taps, int32_t count,
                                                            int32_t width, uint8_t *const *out) {
  uint8_t *const first = out[0], *const second = out[1], *const third = out[2], *const last = out[3];
  for (int32_t x = 0; x < width; x++) {
    const four_numbers *from = columns + LINES * taps[x].first;
    numbers sums = (numbers){0} + (1 << (WEIGHT_BITS - 1));
    for (int32_t k = 0; k < count; k++, from += LINES) {
      numbers pixels;
      memcpy(&pixels, from, sizeof pixels);
      sums += pixels * taps[x].weights[k];
    }
    uint8_t four[PIXEL * LINES];
    sums >>= WEIGHT_BITS;  /* never below 0 or above 255: the weights sum to 1 */
    store_bytes(&sums, four);
    memcpy(first + PIXEL * x, four, PIXEL);
    memcpy(second + PIXEL * x, four + PIXEL, PIXEL);
    memcpy(third + PIXEL * x, four + 2 * PIXEL, PIXEL);
    memcpy(last + PIXEL * x, four + 3 * PIXEL, PIXEL);
  }
}

/* The usual numbers are known to the compiler. */
WIDE static void across(const four_numbers *columns, const struct taps *taps, int32_t count,
                        int32_t width, uint8_t *const *out) {
  if (count == 4)
    across_by(columns, taps, 4, width, out);
  else if (count == 3)
    across_by(columns, taps, 3, width, out);
  else if (count == 2)
    across_by(columns, taps, 2, width, out);
  else
    across_by(columns, taps, count, width, out);
}

/* A line of each plane, blue first, out of `count` lines of pixels. */
static inline __attribute__((always_inline)) void down_by(const uint8_t *line, int32_t width,
                                                          const int32_t *weights, int32_t count,
                                                          float *out, int64_t plane) {
  const int64_t step = (int64_t)width * PIXEL;
  for (int32_t begin = 0; begin < width; begin += PART, line += PART * PIXEL) {
    int32_t levels[PART * PIXEL];
    for (int32_t x = 0; x < PART * PIXEL; x++) {  /* those behind the last are not written */
      int32_t sum = 1 << (WEIGHT_BITS - 1);
      for (int32_t k = 0; k < count; k++) sum += line[k * step + x] * weights[k];
      levels[x] = sum >> WEIGHT_BITS;
    }
    for (int32_t channel = 0; channel < CHANNELS; channel++) {
      float *const to = out + (CHANNELS - 1 - channel) * plane + begin;
      if (width - begin >= PART)
        for (int32_t x = 0; x < PART; x++) to[x] = (float)levels[PIXEL * x + channel];
      else
        for (int32_t x = 0; x < width - begin; x++) to[x] = (float)levels[PIXEL * x + channel];
    }
  }
}

/* The same; the usual numbers are known to the compiler. */
WIDE static void down(const uint8_t *pixels, int32_t width, const struct taps *taps, int32_t count,
                      float *out, int64_t plane) {
  const uint8_t *const line = pixels + (int64_t)taps->first * width * PIXEL;
  if (count == 4)
    down_by(line, width, taps->weights, 4, out, plane);
  else if (count == 3)
    down_by(line, width, taps->weights, 3, out, plane);
  else if (count == 2)
    down_by(line, width, taps->weights, 2, out, plane);
  else
    down_by(line, width, taps->weights, count, out, plane);
}

/* A line of colours to the planes, blue first. */
WIDE static void parted(const uint8_t *line, int32_t width, float *planes, int64_t plane) {
  for (int32_t channel = 0; channel < CHANNELS; channel++, line++)
    for (int32_t x = 0; x < width; x++)
      planes[(CHANNELS - 1 - channel) * plane + x] = line[CHANNELS * x];
}

/* Scale an RGB image into the upper left of three planes, blue first; 0, or -1 without memory.
 *
 * image: rows of `columns` pixels, `stride` bytes apart; first shrunk by the factor `shrink`,
 * then scaled to width × height, by less than 2.
 * planes: float, `line` numbers a row, `plane` numbers a plane.
 */
EXPORT int emostress_fit(const uint8_t *image, int64_t stride, int32_t columns, int32_t rows,
                         int32_t shrink, int32_t width, int32_t height, float *planes,
                         int64_t line, int64_t plane) {
  const int32_t in_columns = (columns + shrink - 1) / shrink;
  const int32_t in_rows = (rows + shrink - 1) / shrink;
  const size_t small = shrink > 1 ? (size_t)in_columns * in_rows * CHANNELS : 0;
  const size_t line_of = (size_t)width * PIXEL;
  struct taps *taps = malloc((size_t)(width + height) * sizeof *taps);
  uint32_t *sums = malloc((size_t)columns * CHANNELS * sizeof *sums);
  four_numbers *wide_lines = calloc((size_t)(in_columns + MOST_TAPS) * LINES, sizeof *wide_lines);
  const size_t behind = MOST_TAPS * line_of + PART * PIXEL;
  uint8_t *work = malloc(small + in_rows * line_of + behind);
  const int failed = !taps || !sums || !wide_lines || !work;
  if (!failed) {
    uint8_t *const narrow = work + small;
    if (shrink > 1) {
      shrunk(image, stride, columns, rows, CHANNELS, shrink, sums, work);
      image = work;
      stride = (int64_t)in_columns * CHANNELS;
    }
    const int same = in_columns == width && in_rows == height;
    const int32_t wide = triangle(taps, in_columns, width);
    const int32_t high = triangle(taps + width, in_rows, height);
    for (int32_t y = 0; same && y < height; y++)
      parted(image + y * stride, width, planes + y * line, plane);
    for (int32_t y = 0; !same && y < in_rows; y += LINES) {
      const uint8_t *from[LINES];
      uint8_t *to[LINES];
      for (int32_t k = 0; k < LINES; k++) {  /* the last line again, where there are no four */
        const int32_t row = y + k < in_rows ? y + k : in_rows - 1;
        from[k] = image + row * stride;
        to[k] = narrow + (size_t)row * line_of;
      }
      spread(from, in_columns, wide_lines);
      across(wide_lines, taps, wide, width, to);
    }
    memset(narrow + in_rows * line_of, 0, behind);  /* of weight 0, or not written */
    for (int32_t y = 0; !same && y < height; y++)
      down(narrow, width, taps + width + y, high, planes + y * line, plane);
  }
  free(taps);
  free(sums);
  free(wide_lines);
  free(work);
  return failed ? -1 : 0;
}

/* Scale parts of an image into the upper left of three planes each; 0, or -1 where one cannot be.
 *
 * image: RGB rows, `stride` bytes apart.
 * parts: (count, 4) left, top, right, bottom, px.
 * planes: (count, 3, height, width); what a part does not fill becomes black.
 * factors: (count, 2) x, y from the planes back to the image.
 */
EXPORT int emostress_fit_parts(const uint8_t *image, int64_t stride, const int32_t *parts,
                               int64_t count, int32_t width, int32_t height, float *planes,
                               float *factors) {
  const int64_t plane = (int64_t)width * height;
  for (int64_t k = 0; k < count; k++, parts += 4, planes += CHANNELS * plane, factors += 2) {
    const int32_t columns = parts[2] - parts[0], rows = parts[3] - parts[1];
    const double across = (double)width / columns, along = (double)height / rows;
    const double scale = across < along ? across : along;
    /* To the nearest, and of two that are as near to the even one, as Python does. */
    const int32_t wide = fmax(1.0, nearbyint(columns * scale));
    const int32_t high = fmax(1.0, nearbyint(rows * scale));
    const int32_t shrink = scale < 1.0 ? (int32_t)(1.0 / scale + 1e-6) : 1;
    if ((columns + shrink - 1) / shrink >= 2 * wide || (rows + shrink - 1) / shrink >= 2 * high)
      return -1;  /* a line of few pixels, scaled by another factor than its length */
    if (wide < width || high < height) memset(planes, 0, (size_t)(CHANNELS * plane) * sizeof *planes);
    if (emostress_fit(image + parts[1] * stride + (int64_t)CHANNELS * parts[0], stride, columns,
                      rows, shrink, wide, high, planes, width, plane))
      return -1;
    factors[0] = (float)((double)columns / wide);
    factors[1] = (float)((double)rows / high);
  }
  return 0;
}
