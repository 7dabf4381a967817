/** Every error of this package. Its message says what was found, where, and what would do. */
export abstract class GradwireError extends Error {}

/** One field of a request that the service does not take. */
export interface FieldError {
  /** Where it is: a JSON pointer such as `/labels/3/0`. */
  readonly pointer: string;
  readonly detail: string;
}

/** What the service says of a request that it refuses (RFC 9457). */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];
}

/** The service answered, and refused: 4xx is about the request, 5xx about the service. */
export class Refused extends GradwireError implements Problem {
  override readonly name = "Refused";
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];

  constructor(
    problem: Problem,
    /** Seconds after which the service would like to be asked again, if it said so. */
    readonly retryAfter: number | undefined,
    /** Names this request in the service's log. */
    readonly requestId: string | undefined,
  ) {
    super(text(problem));
    this.status = problem.status;
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = problem.errors;
  }
}

/** There is no connection to the service, or it broke before a reply came. */
export class Unreachable extends GradwireError {
  override readonly name = "Unreachable";

  constructor(
    readonly address: string,
    /** The system's reason. */
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`no service answers at ${address}: ${reason}; is it running, and is this its address?`, options);
  }
}

/** The timeout of the whole call passed, retries and the waits between them included. */
export class TimedOut extends GradwireError {
  override readonly name = "TimedOut";

  constructor(
    readonly address: string,
    readonly timeoutMs: number,
    readonly waitedFor: string,
  ) {
    super(`${timeoutMs} ms have passed, waiting for ${waitedFor} of ${address}; a larger timeoutMs allows for more`);
  }
}

/** What answered is not gradwire, or its reply is cut, malformed, or not of the shape that was asked for. */
export class BadReply extends GradwireError {
  override readonly name = "BadReply";

  constructor(
    readonly address: string,
    readonly found: string,
    readonly expected: string,
    readonly requestId?: string,
  ) {
    super(`no reply of gradwire from ${address}: found ${found}; expected ${expected}`);
  }
}

/** The detail, then those errors that it does not mention, a line each. */
function text({ detail, errors }: Problem): string {
  const others = errors.filter(({ pointer }) => !pointer || !detail.includes(pointer));
  return [detail, ...others.map((each) => `${each.pointer}: ${each.detail}`)].join("\n");
}
