import { readFileSync } from "node:fs";

/** features [rows][inputs], and of each row the indices of its labels. */
export interface Data {
  readonly inputs: number;
  readonly classes: number;
  readonly features: readonly Float64Array[];
  readonly labels: readonly number[][];
}

/** A line `rows inputs classes`, then a line a row: its features, then a 0 or 1 a class. */
export function readData(file: string): Data {
  const [head = "", ...lines] = readFileSync(file, "utf8").trimEnd().split("\n");
  const sizes = head.split(" ").map(Number);
  const [rows, inputs, classes] = sizes;
  if (sizes.length !== 3 || !sizes.every((each) => Number.isSafeInteger(each) && each > 0) || lines.length !== rows) {
    throw new Error(`${file}: '${head.slice(0, 60)}' and ${lines.length} lines; expected 'rows inputs classes' and a line a row`);
  }
  const values = lines.map((line, n) => numbers(line, inputs + classes, `${file}:${n + 2}`));
  return {
    inputs,
    classes,
    features: values.map((row) => Float64Array.from(row.slice(0, inputs))),
    labels: values.map((row, n) => indices(row.slice(inputs), `${file}:${n + 2}`)),
  };
}

function numbers(line: string, count: number, where: string): number[] {
  const found = line.split(" ").map((word) => (word ? Number(word) : NaN));
  if (found.length === count && found.every(Number.isFinite)) return found;
  throw new Error(`${where}: expected ${count} numbers with a space between them`);
}

function indices(row: readonly number[], where: string): number[] {
  if (!row.every((each) => each === 0 || each === 1)) throw new Error(`${where}: a label that is neither 0 nor 1`);
  return row.flatMap((each, c) => (each === 1 ? [c] : []));
}
