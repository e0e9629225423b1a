/* One source for every instruction set: CMake compiles it with LANES, LOG_MEL_FUNCTION and flags.
 *
 * A real transform of n samples is a complex one of n / 2 (even samples real, odd ones imaginary)
 * and a split of its result; see Cooley, Lewis and Welch, "The fast Fourier transform algorithm:
 * programming considerations in the calculation of sine, cosine and Laplace transforms", J. Sound
 * Vib. 12 (1970).  The complex one is by radix 4, decimation in frequency, in place; its result
 * lies in digit-reversed order, which costs nothing, as lanes are frames and not bins.
 */
#include "log_mel.h"

#include "lanes.h"

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (integers){__VA_ARGS__})
#endif

/* Turn rows into columns: lane j of row i becomes lane i of row j. */
INLINE void transpose(vector *rows) {
#if LANES == 4
  const vector a = SHUFFLE(rows[0], rows[1], 0, 4, 1, 5);
  const vector b = SHUFFLE(rows[0], rows[1], 2, 6, 3, 7);
  const vector c = SHUFFLE(rows[2], rows[3], 0, 4, 1, 5);
  const vector d = SHUFFLE(rows[2], rows[3], 2, 6, 3, 7);
  rows[0] = SHUFFLE(a, c, 0, 1, 4, 5);
  rows[1] = SHUFFLE(a, c, 2, 3, 6, 7);
  rows[2] = SHUFFLE(b, d, 0, 1, 4, 5);
  rows[3] = SHUFFLE(b, d, 2, 3, 6, 7);
#elif LANES == 8
  vector pairs[8], fours[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = SHUFFLE(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[i + 1] = SHUFFLE(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; j++) {
      fours[i + 2 * j] = SHUFFLE(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      fours[i + 2 * j + 1] = SHUFFLE(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = SHUFFLE(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    rows[i + 4] = SHUFFLE(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#else
#error "LANES must be 4 or 8"
#endif
}

/* Window LANES frames and lay them side by side: z[i] holds sample i of every frame. */
INLINE void gather(const struct log_mel_plan *plan, const float *const *frames, vector *z) {
  for (int i = 0; i < plan->n_fft; i += LANES) {
    vector rows[LANES];
    const vector window = load(plan->window + i);
    for (int lane = 0; lane < LANES; lane++) rows[lane] = load(frames[lane] + i) * window;
    transpose(rows);
    for (int k = 0; k < LANES; k++) z[i + k] = rows[k];
  }
}

/* One butterfly of four complex numbers that lie `step` vectors apart; w twists three of them. */
INLINE void butterfly(vector *z, int step, const float *w) {
  vector *const z0 = z, *const z1 = z + step, *const z2 = z1 + step, *const z3 = z2 + step;
  const vector sum02r = z0[0] + z2[0], sum02i = z0[1] + z2[1];
  const vector dif02r = z0[0] - z2[0], dif02i = z0[1] - z2[1];
  const vector sum13r = z1[0] + z3[0], sum13i = z1[1] + z3[1];
  const vector dif13r = z1[0] - z3[0], dif13i = z1[1] - z3[1];
  const vector y1r = dif02r + dif13i, y1i = dif02i - dif13r;
  const vector y2r = sum02r - sum13r, y2i = sum02i - sum13i;
  const vector y3r = dif02r - dif13i, y3i = dif02i + dif13r;
  z0[0] = sum02r + sum13r;
  z0[1] = sum02i + sum13i;
  if (w) {
    z1[0] = y1r * w[0] - y1i * w[1];
    z1[1] = y1r * w[1] + y1i * w[0];
    z2[0] = y2r * w[2] - y2i * w[3];
    z2[1] = y2r * w[3] + y2i * w[2];
    z3[0] = y3r * w[4] - y3i * w[5];
    z3[1] = y3r * w[5] + y3i * w[4];
  } else {
    z1[0] = y1r, z1[1] = y1i, z2[0] = y2r, z2[1] = y2i, z3[0] = y3r, z3[1] = y3i;
  }
}

/* The complex transform of `size` numbers, in place; the result lies as plan->order says. */
INLINE void transform(const struct log_mel_plan *plan, vector *z) {
  const int size = plan->n_fft / 2;
  const float *w = plan->twiddles;
  int length = size;
  for (; length > 4; length /= 4) {
    const int quarter = length / 4;
    for (int j = 0; j < quarter; j++, w += 6)
      for (int base = 0; base < size; base += length) butterfly(z + 2 * (base + j), 2 * quarter, w);
  }
  if (length == 4) {
    for (int base = 0; base < size; base += 4) butterfly(z + 2 * base, 2, 0);
    return;
  }
  for (int base = 0; base < size; base += 2) {
    vector *const z0 = z + 2 * base;
    const vector real = z0[2], imaginary = z0[3];
    z0[2] = z0[0] - real, z0[3] = z0[1] - imaginary;
    z0[0] += real, z0[1] += imaginary;
  }
}

/* The power of the bins 1 to n / 2 - 1 of the real transform. */
INLINE void powers(const struct log_mel_plan *plan, const vector *z, vector *power) {
  const int size = plan->n_fft / 2;
  for (int k = 1; k <= size / 2; k++) {
    const vector *const a = z + 2 * plan->order[k], *const b = z + 2 * plan->order[size - k];
    const float c = plan->split[2 * k], s = plan->split[2 * k + 1];
    const vector even_r = a[0] + b[0], even_i = a[1] - b[1];
    const vector odd_r = a[1] + b[1], odd_i = b[0] - a[0];
    const vector twisted_r = odd_r * c - odd_i * s, twisted_i = odd_r * s + odd_i * c;
    const vector low_r = even_r + twisted_r, low_i = even_i + twisted_i;
    const vector high_r = even_r - twisted_r, high_i = even_i - twisted_i;
    power[k] = low_r * low_r + low_i * low_i;
    power[size - k] = high_r * high_r + high_i * high_i;
  }
}

/* 10 log10 of positive normal numbers to 1e-5 dB; what is not finite stays.
 *
 * x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172,
 * of whose series (Abramowitz and Stegun, 4.1.27) four terms leave 3e-7 dB.
 */
INLINE vector decibels(vector x, float least_power, float least_db) {
  const vector least = all(least_power), low = all(least_db);
  const vector inside = choose(x < least, least, x); /* NaN is not less than anything */
  const integers exponent = ((integers)inside - 0x3f3504f3) >> 23;
  const vector m = (vector)((integers)inside - (exponent << 23));
  const vector s = (m - 1.0f) / (m + 1.0f), q = s * s;
  const vector series = 1.0f + q * (0.33333334f + q * (0.2f + q * 0.14285715f));
  const vector level = __builtin_convertvector(exponent, vector) * 3.0103f + s * 8.685889638f * series;
  return choose(inside < all(__builtin_inff()), choose(level < low, low, level), inside);
}

/* Weigh the bins into bands and write the rows of `count` frames. */
INLINE void bands(const struct log_mel_plan *plan, const vector *power, int count, float *out) {
  const float *weights = plan->weights;
  for (int begin = 0; begin < plan->bands; begin += LANES) {
    const int here = plan->bands - begin < LANES ? plan->bands - begin : LANES;
    vector rows[LANES] = {{0}};
    for (int band = 0; band < here; band++) {
      const vector *const bins = power + plan->first[begin + band];
      const int length = plan->count[begin + band];
      vector even = {0}, odd = {0};
      int i = 0;
      for (; i + 1 < length; i += 2) {
        even += bins[i] * weights[i];
        odd += bins[i + 1] * weights[i + 1];
      }
      if (i < length) even += bins[i] * weights[i];
      weights += length;
      const vector sum = even + odd;
      rows[band] = plan->decibels ? decibels(sum, plan->least_power, plan->least_db) : sum;
    }
    transpose(rows);
    for (int frame = 0; frame < count && frame < LANES; frame++) {
      float *const row = out + (int64_t)frame * plan->bands + begin;
      if (here == LANES)
        store(row, rows[frame]);
      else
        memcpy(row, &rows[frame], (size_t)here * sizeof *row);
    }
  }
}

void LOG_MEL_FUNCTION(const struct log_mel_plan *plan, const float *samples, int64_t hop,
                      int64_t frames, float *out) {
  vector z[LOG_MEL_LARGEST_FFT], power[LOG_MEL_LARGEST_FFT / 2];
  for (int64_t begin = 0; begin < frames; begin += LANES) {
    const int count = frames - begin < LANES ? (int)(frames - begin) : LANES;
    const float *from[LANES];
    /* Where frames are fewer than lanes, the last one fills up. */
    for (int lane = 0; lane < LANES; lane++)
      from[lane] = samples + (begin + (lane < count ? lane : count - 1)) * hop;
    gather(plan, from, z);
    transform(plan, z);
    powers(plan, z, power);
    bands(plan, power, count, out + begin * plan->bands);
  }
}
