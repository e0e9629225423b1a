/* Pictures made smaller by the means of squares; see images.h. */
#include "images.h"

#include <string.h>

static inline uint8_t mean_of(uint32_t sum, uint32_t count) {
  return (uint8_t)(((sum + count / 2) * (uint32_t)(4294967296.0 / (256.0 * count))) >> 24);
}

/* The means of whole squares of 2×2, what most cut-outs take: `values` bytes of two lines.
 * room: for a line of the image. */
WIDE static void halved(const uint8_t *upper, const uint8_t *lower, int32_t values,
                        int32_t channels, uint8_t *room, uint8_t *out) {
  const int32_t whole = values / (2 * channels), end = values - channels;
  for (int32_t x = 0; x < end; x++)  /* half of them are of use */
    room[x] = (uint8_t)((upper[x] + upper[x + channels] + lower[x] + lower[x + channels] + 2) >> 2);
  if (channels == 1) {
    for (int32_t block = 0; block < whole; block++) out[block] = room[2 * block];
    return;
  }
  for (int32_t block = 0; block < whole - 1; block++)
    memcpy(out + block * CHANNELS, room + block * 2 * CHANNELS, CHANNELS + 1);
  if (whole) memcpy(out + (whole - 1) * CHANNELS, room + (whole - 1) * 2 * CHANNELS, CHANNELS);
}

WIDE void shrunk(const uint8_t *image, int64_t stride, int32_t columns, int32_t rows,
                 int32_t channels, int32_t shrink, uint32_t *sums, uint8_t *out) {
  const int32_t values = columns * channels, whole = columns / shrink, rest = columns % shrink;
  for (int32_t top = 0; top < rows; top += shrink) {
    const int32_t high = rows - top < shrink ? rows - top : shrink;
    const uint8_t *const lines = image + top * stride;
    if (shrink == 2 && high == 2) {
      halved(lines, lines + stride, values, channels, (uint8_t *)sums, out);
      out += whole * channels;
    } else {
      for (int32_t x = 0; x < values; x++) sums[x] = lines[x];
      for (int32_t y = 1; y < high; y++)
        for (int32_t x = 0; x < values; x++) sums[x] += lines[y * stride + x];
      for (int32_t block = 0; block < whole; block++)
        for (int32_t channel = 0; channel < channels; channel++) {
          uint32_t sum = 0;
          for (int32_t x = 0; x < shrink; x++)
            sum += sums[(block * shrink + x) * channels + channel];
          *out++ = mean_of(sum, (uint32_t)(high * shrink));
        }
    }
    for (int32_t channel = 0; rest && channel < channels; channel++) {
      uint32_t sum = 0;
      for (int32_t y = 0; y < high; y++)
        for (int32_t x = whole * shrink; x < columns; x++)
          sum += lines[y * stride + x * channels + channel];
      *out++ = mean_of(sum, (uint32_t)(high * rest));
    }
  }
}
