// The batches where formulas break: ties, tails, overflow, rows without labels, rows with nothing else, one class, one row.

const EDGES = [0, 1e-3, 1, 4, 12, 20, 30, 88.5, 100, 1e4].flatMap((edge) => [edge, -edge]);
const SCALES = [0.5, 4, 16, 30, 100, 1e4];

/** Numbers in [0, 1), the same on every run. */
function generator(state) {
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** Each edge as the score of class 0 beside a 0, under every choice of two labels. */
function edges() {
  const choices = [[], [0], [1], [0, 1]];
  const rows = EDGES.flatMap((edge) => choices.map((labels) => ({ scores: [edge, 0], labels })));
  return { name: "edges", scores: rows.map((row) => row.scores), labels: rows.map((row) => row.labels) };
}

/** Three rows of each scale: some labels, none, all. */
function mixed(next, classes) {
  const all = Array.from({ length: classes }, (_, c) => c);
  const rows = SCALES.flatMap((scale) => [all.filter(() => next() < 0.3), [], all].map((labels) => ({ scale, labels })));
  const scores = rows.map(({ scale }) => all.map(() => scale * (2 * next() - 1)));
  return { name: "mixed rows", scores, labels: rows.map((row) => row.labels) };
}

/** Labels between 0 and 1, the ends among them, and for losses that take any number some beyond. */
function soft(next, { scores }, kind) {
  const choices = kind === "real" ? [-0.5, 0, 0.25, 1, 1.75] : [0, 0.25, 0.75, 1];
  const targets = scores.map((row) => row.map(() => choices[Math.floor(next() * choices.length)]));
  return { name: "soft labels", soft: true, scores, targets };
}

const dense = ({ scores, labels }) => scores.map((row, n) => row.map((_, c) => (labels[n].includes(c) ? 1 : 0)));

/** Every batch as {name, scores, targets, labels}, scores rounded to the dtype; with soft targets if the loss takes them. */
export function batches(dtype, kind) {
  const next = generator(1);
  const hard = [
    edges(),
    mixed(next, 13),
    { name: "one class", scores: [[0.3], [-30], [30], [-1e4]], labels: [[], [0], [0], [0]] },
    { name: "one row", scores: [[0.1, -4, 30, 2]], labels: [[2, 0]] },
    { name: "no labels at all", scores: [[0.1, -4], [30, 2]], labels: [[], []] },
  ].map((batch) => ({ ...batch, targets: dense(batch) }));
  const all = kind === "binary" ? hard : [...hard, soft(next, hard[1], kind)];
  const rounded = dtype === "float32" ? Math.fround : (x) => x;
  return all.map((batch) => ({ ...batch, scores: batch.scores.map((row) => row.map(rounded)) }));
}
