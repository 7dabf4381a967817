const LONGEST_MS = 2 ** 31 - 1; // of a timer; longer is forever
const LARGEST_HEADER_MS = 999_999_999; // as many digits as the service reads

/** The time that a whole call has, and the caller's own signal to give it up. `close` must be called at its end. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #end: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #abort = (): void => this.#controller.abort();

  constructor(
    readonly timeoutMs: number,
    private readonly given: AbortSignal | undefined,
  ) {
    given?.throwIfAborted();
    this.#end = performance.now() + timeoutMs;
    this.#timer = setTimeout(this.#abort, Math.min(timeoutMs, LONGEST_MS));
    given?.addEventListener("abort", this.#abort);
  }

  /** Aborted when the time has passed, or the caller has given up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get remainingMs(): number {
    return this.#end - performance.now();
  }

  /** What is left, as X-Request-Timeout-Ms has it. */
  get header(): string {
    return String(Math.min(Math.max(Math.ceil(this.remainingMs), 1), LARGEST_HEADER_MS));
  }

  /** Throws the caller's reason, if the caller has given up. */
  check(): void {
    this.given?.throwIfAborted();
  }

  /** Resolves after this time, or when the signal is aborted. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.signal.addEventListener("abort", done);
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.given?.removeEventListener("abort", this.#abort);
  }
}
