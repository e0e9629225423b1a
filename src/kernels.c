/* What Python calls: picks the widest instructions that this processor has. */
#include "log_mel.h"
#include "separable.h"
#include "small_graph.h"

#define EXPORT __attribute__((visibility("default")))

struct choice {
  log_mel_function *log_mel;
  graph_function *graph;
  separable_function *separable;
  const char *name;
};

static struct choice choose(void) {
#ifdef EMOSTRESS_X86_KERNELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
    return (struct choice){log_mel_avx512, graph_avx512, separable_avx512, "AVX-512"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return (struct choice){log_mel_avx2, graph_avx2, separable_avx2, "AVX2"};
#endif
  return (struct choice){log_mel_plain, graph_plain, separable_plain, "plain"};
}

EXPORT int emostress_kernels_version(void) { return EMOSTRESS_KERNELS_VERSION; }

EXPORT const char *emostress_kernels_name(void) { return choose().name; }

EXPORT void emostress_log_mel(const struct log_mel_plan *plan, const float *samples, int64_t hop,
                              int64_t frames, float *out) {
  choose().log_mel(plan, samples, hop, frames, out);
}

EXPORT void emostress_graph(const struct graph_step *steps, int64_t count) {
  choose().graph(steps, count);
}

EXPORT void emostress_separable(const struct separable_step *steps, int64_t count,
                                int64_t images) {
  for (int64_t image = 0; image < images; image++) choose().separable(steps, count, image);
}
