/* One source for every instruction set: CMake compiles it with LANES, GRAPH_FUNCTION and flags.
 *
 * ONNX Runtime takes about a microsecond for a node however small its tensors are, and a fusion has
 * fifty of them on a few hundred numbers: what is done with these takes 3 microseconds.
 */
#include "small_graph.h"

#include <math.h>

#include "lanes.h"

/* e^x to 2e-7 of it: x = n ln 2 + r, the series of e^r to the sixth power, and n as an exponent. */
INLINE float exp_of(float x) {
  const float bounded = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  const float shifted = bounded * 1.44269504f + 12582912.0f; /* rounds to a whole number */
  const float n = shifted - 12582912.0f;
  const float r = (bounded - n * 0.693145752f) - n * 1.42860677e-6f;
  const float series =
      1.0f + r * (1.0f + r * (0.5f + r * (0.166666667f + r * (0.0416666667f +
      r * (0.00833333333f + r * 0.00138888889f)))));
  union { int32_t bits; float value; } power = {((int32_t)n + 127) << 23};
  return x != x ? x : series * power.value;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp_of(-x)); }

INLINE float softplus(float x) { return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x))); }

INLINE float clipped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

/* Compute along the last axis; neighbours by their own loop, which the compiler makes vectors of. */
#define ALONG(...)                                                                              \
  do {                                                                                          \
    if (sa == 1 && so == 1 && (sb == 1 || !b))                                                  \
      for (int64_t i = 0; i < n; i++) {                                                         \
        const float x = a[i], y = b ? b[i] : 0.0f;                                              \
        (void)y;                                                                                \
        out[i] = (__VA_ARGS__);                                                                 \
      }                                                                                         \
    else                                                                                        \
      for (int64_t i = 0; i < n; i++) {                                                         \
        const float x = a[i * sa], y = b ? b[i * sb] : 0.0f;                                    \
        (void)y;                                                                                \
        out[i * so] = (__VA_ARGS__);                                                            \
      }                                                                                         \
  } while (0)

INLINE void soften(const float *a, int64_t sa, float *out, int64_t so, int64_t n) {
  float greatest = a[0], total = 0.0f;
  for (int64_t i = 1; i < n; i++) greatest = a[i * sa] > greatest ? a[i * sa] : greatest;
  for (int64_t i = 0; i < n; i++) total += out[i * so] = exp_of(a[i * sa] - greatest);
  for (int64_t i = 0; i < n; i++) out[i * so] /= total;
}

INLINE float total(const float *a, int64_t sa, int64_t n, int squares) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; i++) sum += squares ? a[i * sa] * a[i * sa] : a[i * sa];
  return sum;
}

static void line(const struct graph_step *s, const float *restrict a, const float *restrict b,
                 float *restrict out) {
  const int last = GRAPH_AXES - 1;
  const int64_t n = s->sizes[last], so = s->out_strides[last];
  const int64_t sa = s->a_strides[last], sb = s->b_strides[last];
  const float low = (float)s->low, high = (float)s->high;
  switch ((enum graph_code)s->code) {
    case GRAPH_COPY: ALONG(x); break;
    case GRAPH_ADD: ALONG(x + y); break;
    case GRAPH_SUB: ALONG(x - y); break;
    case GRAPH_MUL: ALONG(x * y); break;
    case GRAPH_DIV: ALONG(x / y); break;
    case GRAPH_RELU: ALONG(x < 0.0f ? 0.0f : x); break; /* NaN stays */
    case GRAPH_SIGMOID: ALONG(sigmoid(x)); break;
    case GRAPH_SQRT: ALONG(sqrtf(x)); break;
    case GRAPH_CLIP: ALONG(clipped(x, low, high)); break;
    case GRAPH_ERF: ALONG(erff(x)); break;
    case GRAPH_SOFTPLUS: ALONG(softplus(x)); break;
    case GRAPH_ABS: ALONG(fabsf(x)); break;
    case GRAPH_SOFTMAX: soften(a, sa, out, so, n); break;
    case GRAPH_SUM: *out = low * total(a, sa, n, 0); break;
    case GRAPH_NORM: *out = sqrtf(total(a, sa, n, 1)); break;
    case GRAPH_MATMUL: break;
  }
}

/* `width` neighbouring columns of one row of a product, rows [first, last) of b. */
INLINE void columns(const int width, const float *a, int64_t sa, const float *b, int64_t sb,
                    int64_t first, int64_t last, float *out) {
  /* Two sums side by side, lest each product wait for the one before it. */
  vector even[GRAPH_COLUMNS / LANES] = {{0}}, odd[GRAPH_COLUMNS / LANES] = {{0}};
  int64_t k = first;
  for (; k + 1 < last; k += 2)
    for (int v = 0; v < width / LANES; v++) {
      even[v] += a[k * sa] * load(b + k * sb + v * LANES);
      odd[v] += a[(k + 1) * sa] * load(b + (k + 1) * sb + v * LANES);
    }
  for (; k < last; k++)
    for (int v = 0; v < width / LANES; v++) even[v] += a[k * sa] * load(b + k * sb + v * LANES);
  for (int v = 0; v < width / LANES; v++) store(out + v * LANES, even[v] + odd[v]);
}

static void row(const struct graph_step *s, const float *a, const float *b, float *out) {
  const int64_t width = s->sizes[3], inner = s->sizes[4], sa = s->a_strides[4];
  const int64_t sb = s->b_strides[4], step = s->b_strides[3], so = s->out_strides[3];
  int64_t n = 0;
  if (step == 1 && so == 1) {
    const int32_t *filled = s->filled;
    for (; n + GRAPH_COLUMNS <= width; n += GRAPH_COLUMNS) {
      const int64_t first = filled ? *filled++ : 0, last = filled ? *filled++ : inner;
      columns(GRAPH_COLUMNS, a, sa, b + n, sb, first, last, out + n);
    }
    for (; n + LANES <= width; n += LANES) columns(LANES, a, sa, b + n, sb, 0, inner, out + n);
  }
  for (; n < width; n++) {
    float sum = 0.0f;
    for (int64_t k = 0; k < inner; k++) sum += a[k * sa] * b[n * step + k * sb];
    out[n * so] = sum;
  }
}

static void run(const struct graph_step *s) {
  /* A product's last two axes are its row's own; of all else the last one. */
  const int product = s->code == GRAPH_MATMUL;
  const int64_t *const n = s->sizes, *const sa = s->a_strides, *const sb = s->b_strides;
  const int64_t *const so = s->out_strides, last = product ? 1 : n[3];
  for (int64_t i = 0; i < n[0]; i++)
    for (int64_t j = 0; j < n[1]; j++)
      for (int64_t k = 0; k < n[2]; k++)
        for (int64_t l = 0; l < last; l++) {
          const float *const a = s->a + i * sa[0] + j * sa[1] + k * sa[2] + l * sa[3];
          const float *const b =
              s->b ? s->b + i * sb[0] + j * sb[1] + k * sb[2] + l * sb[3] : (const float *)0;
          float *const out = s->out + i * so[0] + j * so[1] + k * so[2] + l * so[3];
          if (product)
            row(s, a, b, out);
          else
            line(s, a, b, out);
        }
}

void GRAPH_FUNCTION(const struct graph_step *steps, int64_t count) {
  for (int64_t i = 0; i < count; i++) run(steps + i);
}
