/* Faces out of camera images, turned upright; see images.h. */
#include "images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of two bytes that lie side by side. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST(two) ((two) & 255)
#define SECOND(two) ((two) >> 8)
#else
#define FIRST(two) ((two) >> 8)
#define SECOND(two) ((two) & 255)
#endif

enum { PART = 32, POINTS = 5, SUPERSAMPLE = 2 };

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
  for (int32_t begin = 0; begin < count; begin += PART) {
    const int32_t part = count - begin < PART ? count - begin : PART;
    double aside[PART], below[PART];
    int32_t places[PART];
    uint16_t upper[PART], lower[PART];
    for (int32_t k = 0; k < PART; k++) {  /* those behind the last are not read */
      const double at = begin + k + 0.5;
      const double x = matrix[0] * at + matrix[1] * down_ + matrix[2] - 0.5;
      const double y = matrix[3] * at + matrix[4] * down_ + matrix[5] - 0.5;
      const int32_t left = (int32_t)x, top = (int32_t)y;
      aside[k] = x - left;
      below[k] = y - top;
      places[k] = top * columns + left;
    }
    for (int32_t k = 0; k < part; k++) {  /* two neighbours at once */
      memcpy(upper + k, grey + places[k], sizeof *upper);
      memcpy(lower + k, grey + places[k] + columns, sizeof *lower);
    }
    uint8_t levels[PART];
    for (int32_t k = 0; k < PART; k++) {
      const int32_t a = FIRST(upper[k]), b = SECOND(upper[k]);
      const int32_t c = FIRST(lower[k]), d = SECOND(lower[k]);
      const double above = a + (b - a) * aside[k], under = c + (d - c) * aside[k];
      levels[k] = (uint8_t)(int32_t)(above + (under - above) * below[k]);
    }
    memcpy(out + begin, levels, (size_t)part);
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

typedef struct {
  double re, im;
} complex_number;

static complex_number times(complex_number one, complex_number other) {
  return (complex_number){one.re * other.re - one.im * other.im,
                          one.re * other.im + one.im * other.re};
}

static int32_t within(double at, int32_t least, int32_t most) {
  return at < least ? least : at > most ? most : (int32_t)at;
}

/* The turn and the shift, of points as complex numbers, that best map a face's onto the template's;
 * 0, or -1 where there are none. */
static int similarity(const float *points, const double *template, complex_number *turn,
                      complex_number *shift) {
  complex_number from = {0.0, 0.0}, to = {0.0, 0.0}, sum = {0.0, 0.0};
  double spread = 0.0;
  for (int32_t k = 0; k < POINTS; k++) {
    from.re += points[2 * k] / (double)POINTS, from.im += points[2 * k + 1] / (double)POINTS;
    to.re += template[2 * k] / POINTS, to.im += template[2 * k + 1] / POINTS;
  }
  for (int32_t k = 0; k < POINTS; k++) {
    const complex_number p = {points[2 * k] - from.re, points[2 * k + 1] - from.im};
    const complex_number q = {template[2 * k] - to.re, template[2 * k + 1] - to.im};
    const complex_number turned = times((complex_number){p.re, -p.im}, q);
    sum.re += turned.re, sum.im += turned.im;
    spread += p.re * p.re + p.im * p.im;
  }
  *turn = (complex_number){sum.re / spread, sum.im / spread};
  if (!(spread >= 1e-9) || isinf(spread) || hypot(turn->re, turn->im) < 1e-9) return -1;
  const complex_number moved = times(*turn, from);
  *shift = (complex_number){to.re - moved.re, to.im - moved.im};
  return 0;
}

/* One face at its landmarks; 0, or -1 without memory or where they fit no face. */
static int upright(const uint8_t *image, int64_t stride, int32_t columns, int32_t rows,
                   const float *points, const double *template, int32_t side, uint8_t *out) {
  complex_number turn, shift;
  if (similarity(points, template, &turn, &shift)) return -1;
  const double size = turn.re * turn.re + turn.im * turn.im;
  const complex_number back = {turn.re / size, -turn.im / size}, moved = times(shift, back);
  const double matrix[6] = {back.re, -back.im, -moved.re, back.im, back.re, -moved.im};
  double low[2], high[2];
  int32_t begin[2], end[2];
  int over_edge = 0;
  const int32_t sizes[2] = {columns, rows};
  for (int32_t axis = 0; axis < 2; axis++) {
    const double *const of = matrix + 3 * axis;
    const double ends[4] = {of[2], of[2] + of[1] * side, of[2] + of[0] * side,
                            of[2] + of[0] * side + of[1] * side};
    low[axis] = high[axis] = ends[0];
    for (int32_t k = 1; k < 4; k++) {
      low[axis] = fmin(low[axis], ends[k]);
      high[axis] = fmax(high[axis], ends[k]);
    }
    low[axis] = floor(low[axis]) - 2.0;
    high[axis] = ceil(high[axis]) + 2.0;
    begin[axis] = within(low[axis], 0, sizes[axis] - 1);
    end[axis] = within(high[axis], begin[axis] + 1, sizes[axis]);
    over_edge |= begin[axis] != low[axis] || end[axis] != high[axis];
  }
  const int32_t shrink = fmax(1.0, fmin(1.0 / (sqrt(size) * SUPERSAMPLE), 65536.0));
  const double fine = (double)SUPERSAMPLE * shrink;
  const double to_picture[6] = {
      matrix[0] / fine, matrix[1] / fine, (matrix[2] - begin[0]) / shrink,
      matrix[3] / fine, matrix[4] / fine, (matrix[5] - begin[1]) / shrink};
  return emostress_warp(image + begin[1] * stride + (int64_t)CHANNELS * begin[0], stride,
                        end[0] - begin[0], end[1] - begin[1], shrink, to_picture, side, over_edge,
                        out);
}

/* Draw faces at their landmarks; 0, or -1 where one cannot be drawn.
 *
 * image: RGB rows of `columns` pixels, `stride` bytes apart.
 * points: (count, 5, 2) landmarks, px; template: (5, 2), where they lie in a square of `side`.
 * out: (count, side, side) grey.
 */
EXPORT int emostress_upright(const uint8_t *image, int64_t stride, int32_t columns, int32_t rows,
                             const float *points, int64_t count, const double *template,
                             int32_t side, uint8_t *out) {
  for (int64_t face = 0; face < count; face++)
    if (upright(image, stride, columns, rows, points + 2 * POINTS * face, template, side,
                out + face * side * side))
      return -1;
  return 0;
}
