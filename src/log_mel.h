/* The log-mel spectrogram, several frames at once: one frame a lane of a vector register.
 *
 * All tables come from Python (emostress_ros/modalities/voice/log_mel_compiled.py), so that one
 * place computes windows, twiddles and triangles for both ways of running.
 */
#ifndef EMOSTRESS_LOG_MEL_H
#define EMOSTRESS_LOG_MEL_H

#include <stdint.h>

/* Raised whenever the plan, or what any function takes, changes: Python refuses any other. */
#define EMOSTRESS_KERNELS_VERSION 7

enum { LOG_MEL_LARGEST_FFT = 2048 };

struct log_mel_plan {
  int32_t n_fft;         /* power of two, 16 to LOG_MEL_LARGEST_FFT */
  int32_t bands;         /* bands of the spectrogram */
  int32_t decibels;      /* 1: in dB; 0: the power in each band */
  float least_power;     /* power below this counts as this, where decibels are asked for */
  float least_db;        /* levels below this are this */
  const float *window;   /* n_fft: half of the window */
  const float *twiddles; /* radix-4 stages, longest first; a quarter of six floats each */
  const float *split;    /* n_fft / 4 + 1 pairs: cos, -sin of 2 pi k / n_fft */
  const int32_t *order;  /* n_fft / 2: where the transform leaves bin k */
  const int32_t *first;  /* bands: first bin of the triangle, at least 1 */
  const int32_t *count;  /* bands: bins of the triangle */
  const float *weights;  /* of the triangles, one after the other */
};

/* Write (frames, bands) to out; frame i begins at samples + i * hop, of n_fft samples. */
typedef void log_mel_function(const struct log_mel_plan *plan, const float *samples, int64_t hop,
                              int64_t frames, float *out);

log_mel_function log_mel_plain;
log_mel_function log_mel_avx2;
log_mel_function log_mel_avx512;

#endif
