/* Vectors for the sources that run a plan of 8-bit convolutions, once for each instruction set.
 *
 * LANES: 32-bit numbers in a vector: 16 for AVX512-VNNI, 8 for AVX-VNNI.
 */
#ifndef EMOSTRESS_QUANTISED_VECTORS_H
#define EMOSTRESS_QUANTISED_VECTORS_H

#include "quantised.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
/* Early, so that sums stay in registers. */
#define UNROLLED _Pragma("GCC unroll 9")

#if LANES == 16
#define WIDE(name) _mm512_##name
#define SUM_OF_PRODUCTS "vpdpbusd %2, %1, %0"
typedef __m512i ints;
typedef __m512 floats;
enum { MOST_ROWS = 6 };

INLINE void as_bytes(ints levels, uint8_t *to) {
  _mm_storeu_si128((__m128i *)to, _mm512_cvtusepi32_epi8(levels));
}
#else
#define WIDE(name) _mm256_##name
#define SUM_OF_PRODUCTS "%{vex%} vpdpbusd %2, %1, %0"
typedef __m256i ints;
typedef __m256 floats;
enum { MOST_ROWS = 3 };

INLINE void as_bytes(ints levels, uint8_t *to) {
  const __m128i words =
      _mm_packus_epi32(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
  _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
}
#endif

enum { WIDTH = 4 * LANES, COLUMNS = BLOCK * LANES, PARTS = FRONT_CHANNELS / LANES };

/* Four products of unsigned with signed bytes, added to each lane.  By the instruction's name: GCC
 * keeps copies of the sums in memory where they go through its own function. */
INLINE ints dot(ints sum, ints levels, ints weights) {
  __asm__(SUM_OF_PRODUCTS : "+v"(sum) : "v"(levels), "v"(weights));
  return sum;
}

INLINE ints ints_at(const void *from) {
  ints value;
  memcpy(&value, from, sizeof value);
  return value;
}

INLINE floats floats_at(const float *from) { return WIDE(loadu_ps)(from); }

void QUANTISED_FRONT(const struct quantised_front *of, const uint8_t *picture, float *room,
                     uint8_t *out);

#endif
