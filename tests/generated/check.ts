// What a user of the generated TypeScript client would write.
import { CatalogueApi, Configuration, GradRequestDtypeEnum, LossesApi, ResponseError, type Problem } from "./generated/index.js";

declare const process: { argv: string[] };

const configuration = new Configuration({ basePath: process.argv[2] });
const request = {
  scores: [[2.0, 0.5, -1.0], [0.1, 1.2, 3.0]],
  labels: [[0], [1, 2]],
  dtype: GradRequestDtypeEnum.Float64,
};
const losses = new LossesApi(configuration);
const { loss, grad } = await losses.grad({ gradRequest: request });
console.log(`${loss} [${grad.map((row) => `[${row.join(" ")}]`).join(" ")}]`);

const known = await new CatalogueApi(configuration).listLosses();
console.log(known.map((each) => `${each.name} `).join(""));

try {
  await losses.grad({ gradRequest: { ...request, labels: [[0], [7]] } });
} catch (error) {
  if (!(error instanceof ResponseError)) throw error;
  const problem = (await error.response.json()) as Problem;
  console.log(problem.status, problem.errors?.[0]?.pointer, problem.errors?.[0]?.detail);
}
