import type { Deadline } from "./deadline.js";
import { BadReply, TimedOut, Unreachable } from "./errors.js";

const MOST_BYTES = 2 ** 30;

/** What came back, whole. */
export interface Answer {
  readonly status: number;
  readonly mediaType: string;
  readonly body: Uint8Array;
  readonly retryAfter: number | undefined;
  readonly requestId: string | undefined;
  readonly location: string | undefined;
}

/** A connection that ended before a reply came on it: the request may be sent again. */
export class HungUp extends Unreachable {}

/** One request and its answer. Throws Unreachable, TimedOut or BadReply, or the caller's reason to give up. */
export async function exchange(url: string, init: RequestInit, deadline: Deadline): Promise<Answer> {
  const response = await head(url, init, deadline);
  const { headers } = response;
  const retryAfter = headers.get("retry-after") ?? "";
  return {
    status: response.status,
    mediaType: (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "",
    body: await whole(url, response, deadline),
    retryAfter: /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined,
    requestId: headers.get("x-request-id") ?? undefined,
    location: headers.get("location") ?? undefined,
  };
}

async function head(url: string, init: RequestInit, deadline: Deadline): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: "manual", signal: deadline.signal });
  } catch (error) {
    throw given(deadline) ?? timeout(url, deadline, "a reply") ?? failure(url, error as Error);
  }
}

/** The body, of at most 1 GiB. */
async function whole(url: string, response: Response, deadline: Deadline): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = response.body?.getReader();
  let length = 0;
  try {
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      chunks.push(next.value);
      length += next.value.length;
      if (length > MOST_BYTES) throw new BadReply(url, `more than ${MOST_BYTES} bytes`, "a reply of at most 1 GiB");
    }
  } catch (error) {
    reader?.cancel().catch(() => undefined);
    if (error instanceof BadReply) throw error;
    throw given(deadline) ?? timeout(url, deadline, "the rest of the reply") ?? cut(url, response, length, error as Error);
  }
  return joined(chunks, length);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const body = new Uint8Array(length);
  chunks.reduce((place, chunk) => (body.set(chunk, place), place + chunk.length), 0);
  return body;
}

function given(deadline: Deadline): unknown {
  try {
    deadline.check();
    return undefined;
  } catch (reason) {
    return reason;
  }
}

function timeout(url: string, deadline: Deadline, what: string): TimedOut | undefined {
  return deadline.signal.aborted ? new TimedOut(url, deadline.timeoutMs, what) : undefined;
}

function cut(url: string, response: Response, length: number, error: Error): BadReply {
  const announced = response.headers.get("content-length");
  return new BadReply(url, `a reply that ended after ${length} bytes (${reason(error)})`, announced ? `${announced} bytes` : "all of it");
}

/** Why there is no head: fetch tells it in the cause of a TypeError, and browsers do not tell it at all. */
function failure(url: string, error: Error): Error {
  const code = causeOf(error)?.code ?? "";
  if (code.startsWith("HPE_")) return new BadReply(url, `what is no HTTP (${reason(error)})`, "HTTP");
  const Kind = ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(code) ? HungUp : Unreachable;
  return new Kind(url, reason(error), { cause: error });
}

function causeOf(error: Error): { code?: string; message?: string } | undefined {
  return error.cause as { code?: string; message?: string } | undefined;
}

function reason(error: Error): string {
  const cause = causeOf(error);
  return cause?.message || cause?.code || error.message;
}
