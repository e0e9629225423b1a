/* What Python calls to run networks of 8-bit convolutions. */
#include "quantised.h"

#define EXPORT __attribute__((visibility("default")))

struct choice {
  quantised_function *run;
  int32_t lanes;
};

static struct choice choose(void) {
#ifdef EMOSTRESS_AVX512VNNI_KERNELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vnni"))
    return (struct choice){quantised_avx512, 16};
#endif
#ifdef EMOSTRESS_AVXVNNI_KERNELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("avxvnni"))
    return (struct choice){quantised_avxvnni, 8};
#endif
  return (struct choice){0, 0};
}

/* 32-bit numbers in a vector, which the plan's blocks are made for; 0 where no plan can be run. */
EXPORT int32_t emostress_quantised_lanes(void) { return choose().lanes; }

EXPORT void emostress_quantised(const struct quantised_plan *plan, const uint8_t *pictures,
                                int64_t count, float *const *outputs) {
  choose().run(plan, pictures, count, outputs);
}
