/* Evidence of modality tokens as a learned fusion takes it; see emostress_ros/fusion/packing.py. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { EMOTIONS = 7, COLUMNS = EMOTIONS + 9 };

static const double LEAST = 1e-4, LEAST_STRESS = 1e-3, GREATEST_LOGIT = 6.0;

struct item {
  double probabilities[EMOTIONS]; /* the first is NaN where emotion is not estimated */
  double stress;                  /* NaN where not estimated */
  double quality;
  double age_s;
  double max_age_s;
  double half_life_s;
  double has_embedding;
  double place;   /* of the modality among those that the model knows; -1: none */
  double present; /* 0: a row of zeros */
};

static double between(double low, double value, double high) {
  return value < low ? low : value > high ? high : value;
}

static void tell_emotion(const double *probabilities, float *row) {
  double logs[EMOTIONS], total = 0.0, mean = 0.0, greatest = LEAST;
  for (int i = 0; i < EMOTIONS; i++) total += probabilities[i];
  for (int i = 0; i < EMOTIONS; i++) {
    const double share = total > 0.0 ? probabilities[i] / total : 1.0 / EMOTIONS;
    if (share > greatest) greatest = share;
    logs[i] = log(share > LEAST ? share : LEAST);
    mean += logs[i] / EMOTIONS;
  }
  for (int i = 0; i < EMOTIONS; i++) row[i] = (float)(logs[i] - mean);
  row[EMOTIONS] = 1.0f;
  row[EMOTIONS + 1] = (float)greatest;
}

/* Write `count` rows of COLUMNS and of one column for each modality that the model knows. */
EXPORT void emostress_evidence(const struct item *items, int64_t count, int64_t known, float *rows) {
  const int64_t width = COLUMNS + known;
  memset(rows, 0, (size_t)(count * width) * sizeof *rows);
  for (int64_t i = 0; i < count; i++, rows += width) {
    const struct item *const item = items + i;
    if (item->present == 0.0) continue;
    if (!isnan(item->probabilities[0])) tell_emotion(item->probabilities, rows);
    float *const rest = rows + EMOTIONS + 2;
    if (!isnan(item->stress)) {
      const double level = between(LEAST_STRESS, item->stress, 1.0 - LEAST_STRESS);
      rest[0] = (float)between(-GREATEST_LOGIT, log(level / (1.0 - level)), GREATEST_LOGIT);
      rest[1] = 1.0f;
    }
    const double old = item->age_s > 0.0 ? item->age_s : 0.0;
    rest[2] = (float)item->quality;
    rest[3] = (float)between(0.0, old / item->max_age_s, 2.0);
    rest[4] = (float)exp2(-old / item->half_life_s);
    rest[5] = (float)item->has_embedding;
    rest[6] = 1.0f;
    if (item->place >= 0.0) rows[COLUMNS + (int64_t)item->place] = 1.0f;
  }
}
