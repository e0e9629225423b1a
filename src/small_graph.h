/* A network of small tensors, run step by step; emostress_ros/inference/steps/ makes the steps. */
#ifndef EMOSTRESS_SMALL_GRAPH_H
#define EMOSTRESS_SMALL_GRAPH_H

#include <stdint.h>

enum { GRAPH_AXES = 5, GRAPH_COLUMNS = 16 };

/* The order is that of `Code` in steps.py. */
enum graph_code {
  GRAPH_COPY, GRAPH_ADD, GRAPH_SUB, GRAPH_MUL, GRAPH_DIV, GRAPH_RELU, GRAPH_SIGMOID, GRAPH_SQRT,
  GRAPH_CLIP, GRAPH_ERF, GRAPH_SOFTPLUS, GRAPH_ABS, GRAPH_SOFTMAX, GRAPH_SUM, GRAPH_NORM,
  GRAPH_MATMUL
};

/* One step over arrays of up to five axes, (batch, batch, row, column, inner) of a product; strides
 * are in floats, 0 where an operand is the same along an axis, and of axes that it lacks. */
struct graph_step {
  int64_t code;
  const float *a, *b; /* b: NULL where there is one operand */
  float *out;
  int64_t sizes[GRAPH_AXES];
  int64_t a_strides[GRAPH_AXES], b_strides[GRAPH_AXES], out_strides[GRAPH_AXES];
  double low, high; /* of CLIP; SUM is multiplied by low */
  /* MATMUL: for each GRAPH_COLUMNS columns of b the rows [first, last) that are not all zero;
   * NULL where b is not known beforehand. */
  const int32_t *filled;
};

typedef void graph_function(const struct graph_step *steps, int64_t count);

graph_function graph_plain;
graph_function graph_avx2;
graph_function graph_avx512;

#endif
