/* Vectors of LANES floats, for sources that CMake compiles once for each instruction set. */
#ifndef EMOSTRESS_LANES_H
#define EMOSTRESS_LANES_H

#include <stdint.h>
#include <string.h>

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vector load(const float *from) {
  vector value;
  memcpy(&value, from, sizeof value);
  return value;
}

INLINE void store(float *to, vector value) { memcpy(to, &value, sizeof value); }

INLINE vector all(float value) { return value - (vector){0}; }

/* Lane by lane: yes where the mask is set, else no. */
INLINE vector choose(integers mask, vector yes, vector no) {
  return (vector)((mask & (integers)yes) | (~mask & (integers)no));
}

#endif
