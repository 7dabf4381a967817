// How good a multi-label classifier is, written plainly.

export const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** Average precision of one class: Σ (share of the positives found anew) · precision, down the scores. Rows of equal score are found
 * together, so their order does not matter (as scikit-learn does it). A class without positives has 0. */
export function averagePrecision(scores, truth) {
  const order = scores.map((_, n) => n).sort((a, b) => scores[b] - scores[a]);
  const positives = truth.filter(Boolean).length;
  let [seen, hits, sum] = [0, 0, 0];
  while (seen < order.length) {
    const before = hits;
    const score = scores[order[seen]];
    for (; seen < order.length && scores[order[seen]] === score; seen++) hits += truth[order[seen]];
    sum += ((hits - before) * hits) / seen;
  }
  return positives ? sum / positives : 0;
}

/** F1 = 2·hits / (true + found); 0 where there is neither. Over one class for macro-F1, over all elements at once for micro-F1. */
export function f1(truth, found) {
  const hits = truth.filter((each, n) => each && found[n]).length;
  const total = truth.filter(Boolean).length + found.filter(Boolean).length;
  return total ? (2 * hits) / total : 0;
}
