/* Filters without phase shift; see emostress_ros/modalities/physiology/filters.py.
 *
 * Second-order sections in transposed direct form II, as scipy.signal.sosfilt runs them, forwards
 * and backwards over the samples and their odd mirror image at either end.  What is saved is the
 * way to them: a minute of skin conductance is filtered in a tenth of the time that it takes.
 */
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

enum { COEFFICIENTS = 6, MOST_SECTIONS = 8 };

/* Filter `count` samples in place, in steps of 1 or -1, from the state that suits a constant. */
static inline __attribute__((always_inline)) void sweep(
    double *samples, int64_t count, int64_t step, const double *sections, const double *rest,
    int64_t many) {
  double state[2 * MOST_SECTIONS];
  for (int64_t k = 0; k < 2 * many; k++) state[k] = rest[k] * *samples;
  for (int64_t at = 0; at < count; at++, samples += step) {
    double value = *samples;
    for (int64_t k = 0; k < many; k++) {
      const double *const of = sections + COEFFICIENTS * k;
      double *const held = state + 2 * k;
      const double filtered = of[0] * value + held[0];
      held[0] = of[1] * value - of[4] * filtered + held[1];
      held[1] = of[2] * value - of[5] * filtered;
      value = filtered;
    }
    *samples = value;
  }
}

/* With the number of sections known the state stays in registers. */
static void both_ways(double *samples, int64_t count, const double *sections, const double *rest,
                      int64_t many) {
  for (int64_t step = 1; step >= -1; step -= 2) {
    double *const first = step > 0 ? samples : samples + count - 1;
    if (many == 1)
      sweep(first, count, step, sections, rest, 1);
    else if (many == 2)
      sweep(first, count, step, sections, rest, 2);
    else
      sweep(first, count, step, sections, rest, many);
  }
}

/* Filter each channel both ways; 0, or -1 without memory or with too many sections.
 *
 * samples, out: (count, channels).
 * sections: (many, 6) b0 b1 b2 1 a1 a2; rest: (many, 2), the state for a constant 1.
 * pad: samples of odd mirror image at either end, below `count`.
 */
EXPORT int emostress_both_ways(const double *samples, int64_t count, int64_t channels,
                               const double *sections, const double *rest, int64_t many,
                               int64_t pad, double *out) {
  const int64_t whole = count + 2 * pad, last = count - 1;
  double *const padded = many <= MOST_SECTIONS ? malloc((size_t)whole * sizeof *padded) : NULL;
  if (!padded) return -1;
  for (int64_t channel = 0; channel < channels; channel++) {
    const double *const from = samples + channel;
    for (int64_t k = 0; k < pad; k++) {
      padded[k] = 2.0 * from[0] - from[(pad - k) * channels];
      padded[pad + count + k] = 2.0 * from[last * channels] - from[(last - 1 - k) * channels];
    }
    for (int64_t k = 0; k < count; k++) padded[pad + k] = from[k * channels];
    both_ways(padded, whole, sections, rest, many);
    for (int64_t k = 0; k < count; k++) out[k * channels + channel] = padded[pad + k];
  }
  free(padded);
  return 0;
}
