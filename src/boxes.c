/* How boxes lie to each other; see emostress_ros/modalities/face/boxes.py. */
#include <math.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

static const double FORBIDDEN = 1e6, LEAST_SIDE = 1e-6, MOST_RATIO = 2.5, LEAST_RATIO = 0.4;

static double overlap(const double *one, const double *other) {
  double both = 1.0, first = 1.0, second = 1.0;
  for (int k = 0; k < 2; k++) {
    both *= fmax(fmin(one[k + 2], other[k + 2]) - fmax(one[k], other[k]), 0.0);
    first *= fmax(one[k + 2] - one[k], 0.0);
    second *= fmax(other[k + 2] - other[k], 0.0);
  }
  return both / fmax(first + second - both, 1e-9);
}

static double side(const double *box) {
  return fmax((box[2] - box[0] + box[3] - box[1]) / 2.0, LEAST_SIDE);
}

/* Intersection over union of (n, 4) boxes with (m, 4): (n, m). */
EXPORT void emostress_overlaps(const double *first, int64_t n, const double *second, int64_t m,
                               float *out) {
  for (int64_t row = 0; row < n; row++)
    for (int64_t column = 0; column < m; column++)
      *out++ = (float)overlap(first + 4 * row, second + 4 * column);
}

/* What it costs to take each of (n, 4) boxes for each of (m, 4): (n, m). */
EXPORT void emostress_costs(const double *boxes, int64_t n, const double *places, int64_t m,
                            double least_overlap, double reach, double *out) {
  for (int64_t row = 0; row < n; row++)
    for (int64_t column = 0; column < m; column++) {
      const double *const box = boxes + 4 * row, *const place = places + 4 * column;
      const double large = side(box), small = side(place), ratio = large / small;
      const double shared = overlap(box, place);
      const double across = (box[0] + box[2] - place[0] - place[2]) / 2.0;
      const double down = (box[1] + box[3] - place[1] - place[3]) / 2.0;
      const double distance = hypot(across, down) / ((large + small) / 2.0);
      const int near = shared >= least_overlap || distance <= reach;
      const int alike = ratio < MOST_RATIO && ratio > LEAST_RATIO;
      *out++ = near && alike ? 1.0 - shared + 0.5 * distance : FORBIDDEN;
    }
}
