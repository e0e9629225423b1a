/* Cut-outs of camera images: scaled for a detector, and turned upright for a model of faces.
 *
 * The arithmetic is Pillow's (reduce, resize with the triangle filter, affine transform with the
 * bilinear one), in its fixed and floating point, so that both ways of running give the same
 * pixels; a level apart where Pillow scales rows before columns.  What is saved is its copies.
 */
#ifndef EMOSTRESS_IMAGES_H
#define EMOSTRESS_IMAGES_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#if __GNUC__ >= 12  /* older ones know no levels here */
#define WIDE __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define WIDE __attribute__((target_clones("avx2", "default")))
#endif
#else
#define WIDE
#endif

enum { CHANNELS = 3 };

/* The means of squares of `shrink` pixels, at the edge of what is left of them.
 * sums: room for a line of the image. */
void shrunk(const uint8_t *image, int64_t stride, int32_t columns, int32_t rows, int32_t channels,
            int32_t shrink, uint32_t *sums, uint8_t *out);

#endif
