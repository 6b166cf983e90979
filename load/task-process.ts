// A child process that gets tasks as messages and answers each one; both ends of it.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';

type Answer<Result> = { readonly result: Result } | { readonly error: string };

/** For what sends requests: V8's helpers would collect its garbage on the cores that the servers need. */
export const SENDER_FLAGS = ['--single-threaded-gc'];

export class TaskProcess<Task extends object, Result> {
  #child: ChildProcess;

  /**
   * @param flags Node's
   * @param niceness lower priority than the rest of the machine, for a generator that stands for another machine
   */
  constructor(file: URL, flags: readonly string[] = [], niceness = 0) {
    this.#child = fork(file, { serialization: 'advanced', execArgv: [...flags] });
    if (niceness > 0) setPriority(this.#child.pid!, niceness);
  }

  /** One at a time. @throws Error when the task fails or the process ends */
  async ask(task: Task): Promise<Result> {
    const settled = new AbortController();
    const { signal } = settled;
    try {
      const ended = once(this.#child, 'exit', { signal }).then(([code, killedBy]) => {
        throw new Error(`the child process ended with ${killedBy ?? code}`);
      });
      const message = once(this.#child, 'message', { signal }) as Promise<[Answer<Result>]>;
      this.#child.send(task);
      const [answer] = await Promise.race([message, ended]);
      if ('error' in answer) throw new Error(answer.error);
      return answer.result;
    } finally {
      settled.abort();
    }
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The child's side; it ends when the parent does. */
export function answerTasks<Task, Result>(work: (task: Task) => Promise<Result>): void {
  process.on('message', async (task: Task) => {
    const answer: Answer<Result> = await work(task).then(
      (result) => ({ result }),
      (error: unknown) => ({ error: String(error) }),
    );
    process.send?.(answer);
  });
}
