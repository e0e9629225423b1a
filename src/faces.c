/* Faces out of the maps of a detector's net; see emostress_ros/modalities/face/decoding.py. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { STRIDES = 3, MAPS = 4, POINTS = 10, SCORE = 4 + POINTS, COLUMNS };

static const float GREATEST_EXPONENT = 8.0f;

static float unit(float value) { return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value; }

static float least_of(float one, float other) { return one < other ? one : other; }
static float most_of(float one, float other) { return one > other ? one : other; }

/* Intersection over union of two boxes: left, top, right, bottom. */
static float shared(const float *one, const float *other) {
  float both = 1.0f, first = 1.0f, second = 1.0f;
  for (int k = 0; k < 2; k++) {
    both *= most_of(least_of(one[k + 2], other[k + 2]) - most_of(one[k], other[k]), 0.0f);
    first *= most_of(one[k + 2] - one[k], 0.0f);
    second *= most_of(other[k + 2] - other[k], 0.0f);
  }
  return both / most_of(first + second - both, 1e-9f);
}

/* A cell that is sure enough of a face, as a row: box, landmarks, score. */
static void read_cell(const float *sides, const float *points, float score, float column, float row,
                      float stride, float *face) {
  const float at[2] = {column, row};
  for (int k = 0; k < 2; k++) {
    const float centre = (at[k] + sides[k]) * stride;
    const float half = expf(least_of(sides[k + 2], GREATEST_EXPONENT)) * stride / 2.0f;
    face[k] = centre - half;
    face[k + 2] = centre + half;
  }
  for (int k = 0; k < POINTS; k++) face[4 + k] = (points[k] + at[k % 2]) * stride;
  face[SCORE] = score;
}

/* From pixels of the net's input to those of the image; a box ends where its part of it does.
 * placed: factors (x, y), then left, top, right, bottom of the part. */
static void place(float *face, const float *placed) {
  for (int k = 0; k < SCORE; k++) {
    const float at = face[k] * placed[k % 2] + placed[2 + k % 2];
    face[k] = k < 4 ? least_of(most_of(at, placed[2 + k % 2]), placed[4 + k % 2]) : at;
  }
}

/* Put rows in order of their scores, the best first; of equals the first stays first. */
static void sort(float (*faces)[COLUMNS], int64_t count) {
  for (int64_t at = 1; at < count; at++) {
    float moving[COLUMNS];
    int64_t to = at;
    memcpy(moving, faces[at], sizeof moving);
    for (; to > 0 && faces[to - 1][SCORE] < moving[SCORE]; to--)
      memcpy(faces[to], faces[to - 1], sizeof moving);
    memcpy(faces[to], moving, sizeof moving);
  }
}

/* Keep, in place, what overlaps with nothing better; returns how many. */
static int64_t suppressed(float (*faces)[COLUMNS], int64_t count, float overlap) {
  int64_t kept = 0;
  for (int64_t at = 0; at < count; at++) {
    int alone = 1;
    for (int64_t other = 0; other < kept && alone; other++)
      alone = !(shared(faces[other], faces[at]) > overlap);
    if (alone && kept++ != at) memcpy(faces[kept - 1], faces[at], sizeof *faces);
  }
  return kept;
}

/* Write the faces of `images` images, and the number of the image of each; returns how many.
 *
 * maps: for strides 8, 16 and 32 whether there is a face (1 value a cell), whether it is one (1),
 * where (4) and its landmarks (10); the cells of one image after those of another.
 * placed: (images, 6): where each lies, see place().
 * faces: room for every cell, COLUMNS a row; owners: the same.
 */
EXPORT int64_t emostress_faces(const float *const *maps, int64_t images, int32_t width,
                               int32_t height, float score, float overlap, const float *placed,
                               float (*faces)[COLUMNS], intptr_t *owners) {
  int64_t kept = 0;
  for (int64_t image = 0; image < images; image++) {
    int64_t found = 0;
    for (int32_t level = 0; level < STRIDES; level++) {
      const float *const *const of = maps + MAPS * level;
      const int32_t stride = 8 << level, across = width / stride, down = height / stride;
      const int64_t begin = image * across * down;
      for (int64_t cell = 0; cell < (int64_t)across * down; cell++) {
        const int64_t at = begin + cell;
        const float sure = sqrtf(unit(of[0][at]) * unit(of[1][at]));
        if (sure >= score)
          read_cell(of[2] + 4 * at, of[3] + POINTS * at, sure, (float)(cell % across),
                    (float)(cell / across), (float)stride, faces[kept + found++]);
      }
    }
    sort(faces + kept, found);
    found = suppressed(faces + kept, found, overlap);
    for (int64_t k = 0; k < found; k++) {
      owners[kept + k] = (intptr_t)image;
      place(faces[kept + k], placed + 6 * image);
    }
    kept += found;
  }
  return kept;
}
