// The few things of Node that the training needs, so that no package with all of them is.

declare module "node:fs" {
  export function readFileSync(file: string, encoding: "utf8"): string;
  export function writeFileSync(file: string, text: string): void;
}

declare module "node:util" {
  type Option = { type: "string"; default?: string };
  export function parseArgs<O extends Record<string, Option>>(config: { options: O; args?: string[] }): { values: Record<keyof O, string | undefined> };
}

declare const process: { exitCode?: number };
