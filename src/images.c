/* Cut-outs of camera images: scaled for a detector, and turned upright for a model of faces.
 *
 * The arithmetic is Pillow's (reduce, resize with the triangle filter, affine transform with the
 * bilinear one), in its fixed and floating point, so that both ways of running give the same
 * pixels; a level apart where Pillow scales rows before columns.  What is saved is its copies.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

enum { CHANNELS = 3, WEIGHT_BITS = 22, MOST_TAPS = 5 };

typedef int32_t four_numbers __attribute__((vector_size(16)));
typedef uint8_t four_bytes __attribute__((vector_size(4)));

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

static inline uint8_t mean_of(uint32_t sum, uint32_t count) {
  return (uint8_t)(((sum + count / 2) * (uint32_t)(4294967296.0 / (256.0 * count))) >> 24);
}

/* The means of `whole` squares of `shrink` pixels, whose columns are summed already. */
static inline __attribute__((always_inline)) uint8_t *told(const uint32_t *sums, int32_t whole,
                                                           int32_t shrink, int32_t channels,
                                                           uint32_t count, uint8_t *out) {
  const uint32_t factor = (uint32_t)(4294967296.0 / (256.0 * count));
  for (int32_t block = 0; block < whole; block++, sums += shrink * channels)
    for (int32_t channel = 0; channel < channels; channel++) {
      uint32_t sum = count / 2;
      for (int32_t x = 0; x < shrink; x++) sum += sums[x * channels + channel];
      *out++ = (uint8_t)((sum * factor) >> 24);
    }
  return out;
}

/* The means of squares of `shrink` pixels, at the edge of what is left of them.
 * sums: room for a line of the image. */
WIDE static void shrunk(const uint8_t *image, int64_t stride, int32_t columns, int32_t rows,
                        int32_t channels, int32_t shrink, uint32_t *sums, uint8_t *out) {
  const int32_t values = columns * channels, whole = columns / shrink, rest = columns % shrink;
  for (int32_t top = 0; top < rows; top += shrink) {
    const int32_t high = rows - top < shrink ? rows - top : shrink;
    const uint32_t count = (uint32_t)(high * shrink);
    const uint8_t *const lines = image + top * stride;
    if (high == 2)
      for (int32_t x = 0; x < values; x++) sums[x] = (uint32_t)(lines[x] + lines[stride + x]);
    else
      for (int32_t x = 0; x < values; x++) sums[x] = lines[x];
    for (int32_t y = 1; high != 2 && y < high; y++)
      for (int32_t x = 0; x < values; x++) sums[x] += lines[y * stride + x];
    if (shrink == 2 && channels == CHANNELS)  /* what most cut-outs take */
      out = told(sums, whole, 2, CHANNELS, count, out);
    else
      out = told(sums, whole, shrink, channels, count, out);
    for (int32_t channel = 0; rest && channel < channels; channel++) {
      uint32_t sum = 0;
      for (int32_t x = whole * shrink; x < columns; x++) sum += sums[x * channels + channel];
      *out++ = mean_of(sum, (uint32_t)(high * rest));
    }
  }
}

/* One line, scaled, into three planes; `count` pixels take part in each. */
static inline __attribute__((always_inline)) void across_by(const uint8_t *line,
                                                            const struct taps *taps, int32_t count,
                                                            int32_t width, uint8_t *planes,
                                                            int64_t plane) {
  for (int32_t x = 0; x < width; x++) {
    const uint8_t *from = line + CHANNELS * taps[x].first;
    four_numbers sum = (four_numbers){0} + (1 << (WEIGHT_BITS - 1));
    for (int32_t k = 0; k < count; k++)
      sum += four_at(from + CHANNELS * k) * taps[x].weights[k];
    sum >>= WEIGHT_BITS;  /* never below 0 or above 255: the weights sum to 1 */
    planes[x] = (uint8_t)sum[0];
    planes[x + plane] = (uint8_t)sum[1];
    planes[x + 2 * plane] = (uint8_t)sum[2];
  }
}

/* The same; the usual numbers are known to the compiler. */
WIDE static void across(const uint8_t *line, const struct taps *taps, int32_t count, int32_t width,
                        uint8_t *planes, int64_t plane) {
  if (count == 3)
    across_by(line, taps, 3, width, planes, plane);
  else if (count == 2)
    across_by(line, taps, 2, width, planes, plane);
  else
    across_by(line, taps, count, width, planes, plane);
}

/* One line of a plane out of `count` lines of it. */
WIDE static void down(const uint8_t *plane, int32_t width, const struct taps *taps, int32_t count,
                      float *out) {
  const uint8_t *line = plane + (int64_t)taps->first * width;
  int32_t sums[64];
  for (int32_t begin = 0; begin < width; begin += 64) {
    const int32_t part = width - begin < 64 ? width - begin : 64;
    for (int32_t x = 0; x < part; x++) sums[x] = 1 << (WEIGHT_BITS - 1);
    for (int32_t k = 0; k < count; k++)
      for (int32_t x = 0; x < part; x++)
        sums[x] += line[(int64_t)k * width + begin + x] * taps->weights[k];
    for (int32_t x = 0; x < part; x++) out[begin + x] = (float)(sums[x] >> WEIGHT_BITS);
  }
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
  const size_t row = (size_t)in_columns * CHANNELS, padding = CHANNELS * MOST_TAPS + 1;
  const size_t between = (size_t)(in_rows + MOST_TAPS) * width;
  struct taps *taps = malloc((size_t)(width + height) * sizeof *taps);
  uint32_t *sums = malloc((size_t)columns * CHANNELS * sizeof *sums);
  uint8_t *work = malloc(small + row + padding + CHANNELS * between);
  const int failed = !taps || !sums || !work;
  if (!failed) {
    uint8_t *padded = work + small, *scaled = padded + row + padding;
    if (shrink > 1) {
      shrunk(image, stride, columns, rows, CHANNELS, shrink, sums, work);
      image = work;
      stride = (int64_t)row;
    }
    const int same = in_columns == width && in_rows == height;
    const int32_t wide = triangle(taps, in_columns, width);
    const int32_t high = triangle(taps + width, in_rows, height);
    memset(padded + row, 0, padding);
    for (int32_t y = 0; same && y < height; y++)
      for (int32_t x = 0; x < width; x++)
        for (int32_t channel = 0; channel < CHANNELS; channel++)
          planes[(CHANNELS - 1 - channel) * plane + y * line + x] =
              image[y * stride + CHANNELS * x + channel];
    for (int32_t y = 0; !same && y < in_rows; y++) {
      memcpy(padded, image + y * stride, row);
      across(padded, taps, wide, width, scaled + (int64_t)y * width, (int64_t)between);
    }
    for (int32_t channel = 0; !same && channel < CHANNELS; channel++)
      for (int32_t y = 0; y < height; y++)
        down(scaled + channel * between, width, taps + width + y, high,
             planes + (CHANNELS - 1 - channel) * plane + y * line);
  }
  free(taps);
  free(sums);
  free(work);
  return failed ? -1 : 0;
}

WIDE static void made_grey(const uint8_t *rgb, int32_t columns, uint8_t *grey) {
  for (int32_t x = 0; x < columns; x++) {
    const uint32_t sum = rgb[3 * x] * 19595u + rgb[3 * x + 1] * 38470u + rgb[3 * x + 2] * 7471u;
    grey[x] = (uint8_t)((sum + 0x8000u) >> 16);
  }
}

/* The grey level at a place between pixels; `outside` beyond the picture. */
static inline uint8_t level(const uint8_t *grey, int32_t columns, int32_t rows, double x, double y,
                            uint8_t outside) {
  if (!(x >= 0.0 && x < columns && y >= 0.0 && y < rows)) return outside;
  x -= 0.5;
  y -= 0.5;
  const int32_t left = x < 0.0 ? -1 : (int32_t)x, top = y < 0.0 ? -1 : (int32_t)y;
  const double dx = x - left, dy = y - top;
  const int32_t x0 = left < 0 ? 0 : left, x1 = left + 1 < columns ? left + 1 : columns - 1;
  const uint8_t *upper = grey + (int64_t)(top < 0 ? 0 : top) * columns;
  const double above = upper[x0] + (upper[x1] - upper[x0]) * dx;
  double below = above;
  if (top + 1 < rows) {
    const uint8_t *lower = grey + (int64_t)(top + 1) * columns;
    below = lower[x0] + (lower[x1] - lower[x0]) * dx;
  }
  return (uint8_t)(above + (below - above) * dy);
}

/* A line of levels between pixels that all lie well within the picture. */
WIDE static void between(const uint8_t *grey, int32_t columns, const double *matrix, double down_,
                    int32_t count, uint8_t *out) {
  for (int32_t at = 0; at < count; at++) {
    const double x = matrix[0] * (at + 0.5) + matrix[1] * down_ + matrix[2] - 0.5;
    const double y = matrix[3] * (at + 0.5) + matrix[4] * down_ + matrix[5] - 0.5;
    const int32_t left = (int32_t)x, top = (int32_t)y;
    const double dx = x - left, dy = y - top;
    const uint8_t *upper = grey + (int64_t)top * columns + left, *lower = upper + columns;
    const double above = upper[0] + (upper[1] - upper[0]) * dx;
    const double below = lower[0] + (lower[1] - lower[0]) * dx;
    out[at] = (uint8_t)(above + (below - above) * dy);
  }
}

/* Draw a square of side × side grey pixels, each the mean of 2 × 2 places; 0, or -1 without memory.
 *
 * image: RGB rows of `columns` pixels, `stride` bytes apart; made grey, then shrunk by the factor.
 * matrix: (2, 3), from a place in the finer square of 2 side × 2 side to the shrunk picture.
 * bordered: fill what lies outside by the mean; else by black.
 */
EXPORT int emostress_warp(const uint8_t *image, int64_t stride, int32_t columns, int32_t rows,
                          int32_t shrink, const double *matrix, int32_t side, int32_t bordered,
                          uint8_t *out) {
  const int32_t in_columns = (columns + shrink - 1) / shrink;
  const int32_t in_rows = (rows + shrink - 1) / shrink;
  const size_t whole = (size_t)columns * rows, small = (size_t)in_columns * in_rows;
  uint8_t *work = malloc(whole + small + (size_t)4 * side * side);
  uint32_t *sums = malloc((size_t)columns * sizeof *sums);
  if (!work || !sums) {
    free(work);
    free(sums);
    return -1;
  }
  uint8_t *grey = work, *fine = work + whole + small;
  for (int32_t y = 0; y < rows; y++)
    made_grey(image + y * stride, columns, work + (size_t)y * columns);
  if (shrink > 1) {
    grey = work + whole;
    shrunk(work, columns, columns, rows, 1, shrink, sums, grey);
  }
  uint64_t all = 0;
  for (size_t k = 0; bordered && k < small; k++) all += grey[k];
  const uint8_t outside = (uint8_t)(all / small);
  const int32_t ends = 2 * side;
  int inner = 1;
  for (int32_t corner = 0; corner < 4; corner++) {
    const double at[2] = {corner % 2 ? ends - 0.5 : 0.5, corner / 2 ? ends - 0.5 : 0.5};
    const double x = matrix[0] * at[0] + matrix[1] * at[1] + matrix[2];
    const double y = matrix[3] * at[0] + matrix[4] * at[1] + matrix[5];
    inner &= x >= 0.75 && y >= 0.75 && x < in_columns - 0.75 && y < in_rows - 0.75;
  }
  for (int32_t y = 0; y < ends; y++) {
    uint8_t *line = fine + (size_t)y * ends;
    if (inner)
      between(grey, in_columns, matrix, y + 0.5, ends, line);
    else
      for (int32_t x = 0; x < ends; x++)
        line[x] = level(grey, in_columns, in_rows,
                        matrix[0] * (x + 0.5) + matrix[1] * (y + 0.5) + matrix[2],
                        matrix[3] * (x + 0.5) + matrix[4] * (y + 0.5) + matrix[5], outside);
  }
  for (int32_t y = 0; y < side; y++)
    for (int32_t x = 0; x < side; x++) {
      const uint8_t *two = fine + (size_t)2 * y * ends + 2 * x;
      out[y * side + x] = (uint8_t)((two[0] + two[1] + two[ends] + two[ends + 1] + 2) >> 2);
    }
  free(work);
  free(sums);
  return 0;
}
