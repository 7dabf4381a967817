import { Client } from "gradwire";

const client = new Client(process.env.GRADWIRE_URL ?? "http://127.0.0.1:8000");
try {
  const { loss, grad } = await client.grad({
    loss: "softmax_cross_entropy",
    scores: [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]],
    labels: [[0], [1, 2]],
  });
  console.log(loss);
  for (const row of grad) console.log(row.join(" "));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
