/* What is read from upright faces besides their expression: see emostress_ros/modalities/face,
 * mouth.py and quality.py, which do the same with numpy. */
#include "images.h"

#include <math.h>
#include <stdint.h>

enum { SIDE = 48, TOP = 30, LEFT = 12, ROWS = 16, COLUMNS = 24, PIXELS = ROWS * COLUMNS, BASIS = 8 };

static const double LEAST_DEVIATION = 8.0, RIDGE = 1e-6;

/* Cut the mouths, (count, ROWS, COLUMNS), out of standardised faces of grey levels. */
EXPORT void emostress_mouths(const uint8_t (*faces)[SIDE][SIDE], int64_t count,
                             double (*mouths)[ROWS][COLUMNS]) {
  for (int64_t at = 0; at < count; at++) {
    const uint8_t *const levels = faces[at][0];
    int64_t sum = 0, squares = 0;
    for (int32_t k = 0; k < SIDE * SIDE; k++) sum += levels[k];
    for (int32_t k = 0; k < SIDE * SIDE; k++) squares += (int32_t)levels[k] * levels[k];
    const double many = SIDE * SIDE, mean = (double)sum / many;
    const double spread = (many * (double)squares - (double)sum * (double)sum) / (many * many);
    const double scale = 1.0 / (sqrt(spread) + LEAST_DEVIATION);
    for (int32_t y = 0; y < ROWS; y++)
      for (int32_t x = 0; x < COLUMNS; x++)
        mouths[at][y][x] = (faces[at][TOP + y][LEFT + x] - mean) * scale;
  }
}

/* What an affine motion and a change of light make of a mouth: one row each. */
static void tell_basis(double (*mean)[COLUMNS], double (*basis)[PIXELS]) {
  for (int32_t y = 0; y < ROWS; y++)
    for (int32_t x = 0; x < COLUMNS; x++) {
      const int32_t up = y > 0 ? y - 1 : 0, low = y + 1 < ROWS ? y + 1 : y;
      const int32_t left = x > 0 ? x - 1 : 0, right = x + 1 < COLUMNS ? x + 1 : x;
      const double down = (mean[low][x] - mean[up][x]) / (low - up);
      const double across = (mean[y][right] - mean[y][left]) / (right - left);
      const double row = y - (ROWS - 1) / 2.0, column = x - (COLUMNS - 1) / 2.0;
      const int32_t at = y * COLUMNS + x;
      const double parts[BASIS] = {across,       down,       across * column, across * row,
                                   down * column, down * row, 1.0,             mean[y][x]};
      for (int32_t k = 0; k < BASIS; k++) basis[k][at] = parts[k];
    }
}

/* Solve a symmetric positive definite system in place, by Cholesky's square root. */
static void solve(double (*matrix)[BASIS], double *right) {
  for (int32_t row = 0; row < BASIS; row++) {
    for (int32_t column = 0; column <= row; column++) {
      double rest = matrix[row][column];
      for (int32_t k = 0; k < column; k++) rest -= matrix[row][k] * matrix[column][k];
      matrix[row][column] = row == column ? sqrt(rest) : rest / matrix[column][column];
    }
    for (int32_t k = 0; k < row; k++) right[row] -= matrix[row][k] * right[k];
    right[row] /= matrix[row][row];
  }
  for (int32_t row = BASIS - 1; row >= 0; row--) {
    for (int32_t k = row + 1; k < BASIS; k++) right[row] -= matrix[k][row] * right[k];
    right[row] /= matrix[row][row];
  }
}

/* The sum of products; eight sums side by side. */
WIDE static double product(const double *one, const double *other) {
  double sums[8] = {0.0}, all = 0.0;
  for (int32_t at = 0; at < PIXELS; at += 8)
    for (int32_t k = 0; k < 8; k++) sums[k] += one[at + k] * other[at + k];
  for (int32_t k = 0; k < 8; k++) all += sums[k];
  return all;
}

/* Mean squares of what differs between pairs of mouths beyond an affine motion and the light. */
EXPORT void emostress_mouth_differences(const double (*before)[PIXELS],
                                        const double (*after)[PIXELS], int64_t count,
                                        double *squares) {
  for (int64_t at = 0; at < count; at++) {
    double mean[ROWS][COLUMNS], change[PIXELS], basis[BASIS][PIXELS];
    double normal[BASIS][BASIS], found[BASIS];
    for (int32_t k = 0; k < PIXELS; k++) {
      mean[k / COLUMNS][k % COLUMNS] = (before[at][k] + after[at][k]) / 2.0;
      change[k] = after[at][k] - before[at][k];
    }
    tell_basis(mean, basis);
    for (int32_t row = 0; row < BASIS; row++) {
      for (int32_t column = 0; column <= row; column++)
        normal[row][column] = product(basis[row], basis[column]) + (row == column ? RIDGE : 0.0);
      found[row] = product(basis[row], change);
    }
    solve(normal, found);
    for (int32_t k = 0; k < PIXELS; k++)
      for (int32_t row = 0; row < BASIS; row++) change[k] -= basis[row][k] * found[row];
    squares[at] = product(change, change) / PIXELS;
  }
}

/* Variances, (count, 2), of each face's levels and of its Laplacian. */
EXPORT void emostress_sharpness(const uint8_t (*faces)[SIDE][SIDE], int64_t count,
                                double (*variances)[2]) {
  for (int64_t at = 0; at < count; at++) {
    int64_t sums[2] = {0}, squares[2] = {0};
    for (int32_t y = 0; y < SIDE; y++)
      for (int32_t x = 0; x < SIDE; x++) {
        const int32_t level = faces[at][y][x];
        sums[0] += level;
        squares[0] += level * level;
      }
    for (int32_t y = 1; y + 1 < SIDE; y++) {
      const uint8_t *const line = faces[at][y], *const up = line - SIDE, *const low = line + SIDE;
      int32_t sum = 0, square = 0;
      for (int32_t x = 1; x + 1 < SIDE; x++) {
        const int32_t bend = up[x] + low[x] + line[x - 1] + line[x + 1] - 4 * line[x];
        sum += bend;
        square += bend * bend;
      }
      sums[1] += sum;
      squares[1] += square;
    }
    for (int32_t k = 0; k < 2; k++) {
      const double many = k ? (SIDE - 2) * (SIDE - 2) : SIDE * SIDE, sum = (double)sums[k];
      variances[at][k] = (many * (double)squares[k] - sum * sum) / (many * many);
    }
  }
}
