// Compiled, never run: what a caller's compiler says of right and wrong uses.

import { Client, GradwireError, type Job, Refused, Tensor } from "gradwire";

const client = new Client("http://127.0.0.1:8000", { form: "json", timeoutMs: 1000 });
const job: Job = { scores: new Tensor(new Float64Array(6), [2, 3]), labels: [[0], [1, 2]] };

export async function right(): Promise<number> {
  const { loss, grad } = await client.grad({ scores: [[1, 2], [3, 4]], labels: [0, 1], params: { gamma: 1.5, alpha: null } });
  const { loss: losses } = await client.loss({ scores: [Float32Array.of(1, 2)], targets: [[0, 1]], mask: [[true, false]], reduction: "none" });
  const either = await client.grad(job);
  const sum: number = loss + (grad.row(0)[0] ?? 0) + losses.data.length;
  return sum + (typeof either.loss === "number" ? either.loss : either.loss.shape.length);
}

export function wrong(error: unknown): void {
  // @ts-expect-error: scores are needed
  void client.grad({ labels: [[0]] });
  // @ts-expect-error: no such field
  void client.grad({ scores: [[1]], labels: [[0]], labelWeights: [[1]] });
  // @ts-expect-error: no such reduction
  void client.grad({ scores: [[1]], labels: [[0]], reduction: "avg" });
  // @ts-expect-error: the loss is an array
  void client.loss({ scores: [[1]], labels: [[0]], reduction: "none" }).then(({ loss }) => loss.toFixed(2));
  // @ts-expect-error: /loss has no gradient
  void client.loss({ scores: [[1]], labels: [[0]] }).then(({ grad }) => grad);
  // @ts-expect-error: a precision that is none
  void client.loss({ scores: [[1]], labels: [[0]], dtype: "float16" });
  if (error instanceof Refused) error.errors.map(({ pointer }) => pointer.toUpperCase());
  if (error instanceof GradwireError) error.message.trim();
}
