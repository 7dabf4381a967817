import { jobAsSafetensors } from "./binary.js";
import { Deadline } from "./deadline.js";
import { type Answer, HungUp, exchange } from "./exchange.js";
import type { Job } from "./job.js";
import { jobAsJson } from "./json.js";
import { type Form, type GradReply, type LossReply, MEDIA_TYPES, expected, read } from "./reply.js";
import type { Tensor } from "./tensor.js";

export interface Options {
  /** Sent as `Authorization: Bearer …`. */
  apiKey?: string;
  /** Of a whole call, retries and the waits between them included; default 30,000. */
  timeoutMs?: number;
  /** How many times a request is sent again when the service is busy or hangs up; default 3. */
  retries?: number;
  /** `binary` (safetensors, the default) or `json`. */
  form?: Form;
}

export interface CallOptions {
  /** Gives the call up: it then rejects with the signal's reason. */
  signal?: AbortSignal;
}

const FIRST_WAIT_MS = 100;

/**
 * A gradwire service. It may be used for any number of calls at once; there is nothing to close.
 *
 * Every call rejects with `Refused`, `Unreachable`, `TimedOut` or `BadReply`, all of them `GradwireError`s, and with a `RangeError` for
 * data that do not fill their shape.
 */
export class Client {
  readonly #base: string;
  readonly #options: Required<Omit<Options, "apiKey">>;
  readonly #authorization: Record<string, string>;

  /** Throws a TypeError for an address or an option that cannot be used. */
  constructor(url: string | URL, { apiKey, timeoutMs = 30_000, retries = 3, form = "binary" }: Options = {}) {
    this.#base = base(url);
    if (!(timeoutMs > 0)) throw new TypeError(`timeoutMs is ${timeoutMs}; expected more than 0`);
    if (!(Number.isInteger(retries) && retries >= 0)) throw new TypeError(`retries is ${retries}; expected 0, 1, 2, …`);
    if (!Object.hasOwn(MEDIA_TYPES, form)) throw new TypeError(`form is ${String(form)}; expected binary or json`);
    this.#options = { timeoutMs, retries, form };
    this.#authorization = authorization(apiKey);
  }

  /** The loss alone: a number, or a `Tensor` with reduction `none`. */
  loss(job: Job & { reduction: "none" }, options?: CallOptions): Promise<LossReply<Tensor>>;
  loss(job: Job & { reduction?: "sum" | "mean" }, options?: CallOptions): Promise<LossReply<number>>;
  loss(job: Job, options?: CallOptions): Promise<LossReply>;
  loss(job: Job, options: CallOptions = {}): Promise<LossReply> {
    return this.#call("loss", job, options);
  }

  /** The loss, and its gradient `[N, C]` with respect to the scores. */
  grad(job: Job & { reduction: "none" }, options?: CallOptions): Promise<GradReply<Tensor>>;
  grad(job: Job & { reduction?: "sum" | "mean" }, options?: CallOptions): Promise<GradReply<number>>;
  grad(job: Job, options?: CallOptions): Promise<GradReply>;
  grad(job: Job, options: CallOptions = {}): Promise<GradReply> {
    return this.#call("grad", job, options) as Promise<GradReply>;
  }

  async #call(path: "loss" | "grad", job: Job, { signal }: CallOptions): Promise<LossReply> {
    const url = `${this.#base}/${path}`;
    const tensors = this.#options.form === "binary" ? jobAsSafetensors(job) : undefined;
    const wanted = expected(url, tensors ? "binary" : "json", job, path === "grad");
    const deadline = new Deadline(this.#options.timeoutMs, signal);
    try {
      return read(await this.#answer(url, tensors ?? jobAsJson(job), MEDIA_TYPES[wanted.form], deadline), wanted);
    } finally {
      deadline.close();
    }
  }

  /** Asks, and asks again while that may help. */
  async #answer(url: string, body: string | Uint8Array, mediaType: string, deadline: Deadline): Promise<Answer> {
    for (let tries = 0; ; tries++) {
      const headers = { ...this.#authorization, ...headersOf(mediaType), "X-Request-Timeout-Ms": deadline.header };
      try {
        const answer = await exchange(url, { method: "POST", headers, body: body as BodyInit }, deadline);
        const waitMs = answer.retryAfter === undefined ? FIRST_WAIT_MS * 2 ** tries : answer.retryAfter * 1000;
        if (!isBusy(answer) || tries >= this.#options.retries || waitMs >= deadline.remainingMs) return answer;
        await deadline.wait(waitMs);
        deadline.check();
      } catch (error) {
        if (!(error instanceof HungUp) || tries >= this.#options.retries) throw error;
      }
    }
  }
}

function isBusy({ status }: Answer): boolean {
  return status === 429 || status === 503;
}

/** The body of a reply hardly becomes smaller by compression, so none is asked for (browsers decide that themselves). */
function headersOf(mediaType: string): Record<string, string> {
  return { "Content-Type": mediaType, Accept: mediaType, "Accept-Encoding": "identity" };
}

function authorization(apiKey: string | undefined): Record<string, string> {
  if (apiKey === undefined) return {};
  if (!/^[\x21-\x7e]+$/.test(apiKey)) throw new TypeError("apiKey is empty, or has characters that no header can hold");
  return { Authorization: `Bearer ${apiKey}` };
}

/** The address without a slash at its end; a path in it is kept. */
function base(url: string | URL): string {
  const parsed = tried(url);
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw new TypeError(`'${url}' is no address of a service; expected one such as http://127.0.0.1:8000`);
  if (parsed.username || parsed.password || parsed.search || parsed.hash) {
    throw new TypeError(`the address of a service has no user, query or fragment; expected one such as ${parsed.origin}`);
  }
  return parsed.href.replace(/\/+$/, "");
}

function tried(url: string | URL): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}
