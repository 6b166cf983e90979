// The part of autocannon that the load test uses; the package brings no types.

declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  interface Options {
    readonly url: string;
    readonly method: 'POST';
    readonly headers: Readonly<Record<string, string>>;
    readonly requests: readonly { body: Buffer }[];
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    /** Milliseconds between two samples; a run ends at one of them. */
    readonly sampleInt: number;
    /** Seconds until a request counts as failed. */
    readonly timeout: number;
    /** Failed requests after which the run ends early. */
    readonly bailout: number;
  }

  interface Result {
    readonly errors: number;
    readonly timeouts: number;
  }

  interface Run extends EventEmitter, PromiseLike<Result> {
    on(
      event: 'response',
      listener: (client: unknown, statusCode: number, bytes: number, milliseconds: number) => void,
    ): this;
  }

  export default function autocannon(options: Options): Run;
}
