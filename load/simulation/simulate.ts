// One workload under one policy, in virtual time.

import { seededRandom } from '../random.ts';
import { VirtualClock } from './clock.ts';
import type { Answer, Fate, Outcome, SimulatedRun } from './figures.ts';
import { Machine } from './machine.ts';
import type { PolicyKind, SimulatedRequest } from './policy.ts';
import { exponential, type Kind, type RandomNumber, type Stream, type Workload } from './workload.ts';

/** Spread of a run's time around its cost (log-normal). */
const NOISE = 0.05;

/** @param seed equal seeds, equal outcomes; policies that are compared get the same requests */
export function simulate(workload: Workload, kind: PolicyKind, seed: number): Outcome {
  return new Simulation(workload, kind, seed).outcome();
}

class Simulation {
  readonly #workload: Workload;
  readonly #clock = new VirtualClock();
  readonly #machine: Machine;
  readonly #noise: RandomNumber;
  readonly #seed: number;
  readonly #policies;
  readonly #busy: boolean[];
  readonly #wakesAt: number[];
  #sent = 0;
  #pending = new Map<SimulatedRequest, () => void>();
  #answers: Answer[] = [];
  #runs: SimulatedRun[] = [];

  constructor(workload: Workload, kind: PolicyKind, seed: number) {
    const { models, cores } = workload;
    this.#workload = workload;
    this.#seed = seed;
    this.#machine = new Machine(this.#clock, cores);
    this.#noise = seededRandom(seed);
    this.#busy = models.map(() => false);
    this.#wakesAt = models.map(() => Number.NaN);
    this.#policies = kind.create({ models, cores, now: this.#clock.now, pump: (model) => this.#pump(model) });
  }

  outcome(): Outcome {
    for (const [i, stream] of this.#workload.streams.entries()) this.#open(stream, 1000 * (this.#seed + 1) + i * 97);
    // Requests that come at the same instant may run together, as those of one turn of the event loop do.
    this.#clock.run(() => {
      for (const model of this.#policies.keys()) this.#pump(model);
    });
    return { seconds: this.#workload.seconds, answers: this.#answers, runs: this.#runs };
  }

  #open({ arrival, model = 0, kind = () => ({}) }: Stream, seed: number): void {
    const endsAt = this.#workload.seconds * 1000;
    const random = seededRandom(seed);
    const sendAt = (at: number, what: Kind) => this.#clock.schedule(at, () => this.#send(model, what, () => {}));
    switch (arrival.kind) {
      case 'recorded':
        for (const [index, at] of arrival.at.entries()) sendAt(at, kind(random, index));
        return;
      case 'open': {
        let index = 0;
        const pause = () => exponential(random, 1000 / arrival.perSecond);
        for (let at = pause(); at < endsAt; at += pause()) sendAt(at, kind(random, index++));
        return;
      }
      case 'bursts': {
        let index = 0;
        for (let at = 0; at < endsAt; at += arrival.everyMs) {
          for (let i = 0; i < arrival.size; i++) sendAt(at + random() * arrival.withinMs, kind(random, index++));
        }
        return;
      }
      case 'closed':
        for (let i = 0; i < arrival.clients; i++) {
          const own = seededRandom(seed + 7919 * (i + 1));
          let index = 0;
          const sendNext = () => {
            const at = this.#clock.now() + exponential(own, arrival.pauseMs);
            if (at < endsAt) this.#clock.schedule(at, () => this.#send(model, kind(own, index++), sendNext));
          };
          sendNext();
        }
    }
  }

  #send(model: number, kind: Kind, answered: () => void): void {
    const at = this.#clock.now();
    const {
      rows = 1,
      length = 1,
      shape = '',
      priority = 2,
      poison = false,
      deadlineMs = Number.POSITIVE_INFINITY,
    } = kind;
    const request = { id: this.#sent++, model, at, rows, length, shape, priority, poison, deadlineAt: at + deadlineMs };
    this.#pending.set(request, answered);
    const policy = this.#policies[model]!;
    if (!policy.arrived(request)) {
      this.#answer(request, 'refused');
      return;
    }
    if (!policy.expired || deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#clock.schedule(request.deadlineAt, () => {
      if (this.#pending.has(request) && policy.expired!(request)) this.#answer(request, 'dropped');
    });
  }

  #answer(request: SimulatedRequest, fate: Fate): void {
    const answered = this.#pending.get(request);
    if (!answered) throw new Error(`request ${request.id} is answered twice`);
    this.#pending.delete(request);
    this.#answers.push({ request, fate, at: this.#clock.now() });
    answered();
  }

  #pump(model: number): void {
    if (this.#busy[model]) return;
    const decision = this.#policies[model]!.next((request) => this.#answer(request, 'dropped'));
    if (!decision) return;
    if (decision.waitUntil === undefined) {
      this.#run(model, decision.requests);
      return;
    }
    // The settling after the event asks again.
    if (decision.waitUntil === this.#wakesAt[model]) return;
    this.#wakesAt[model] = decision.waitUntil;
    this.#clock.schedule(decision.waitUntil, () => {
      this.#wakesAt[model] = Number.NaN;
    });
  }

  #run(model: number, requests: readonly SimulatedRequest[]): void {
    const rows = requests.reduce((sum, request) => sum + request.rows, 0);
    const longest = requests.reduce((most, request) => Math.max(most, request.length), 1);
    const content = requests.reduce((sum, request) => sum + request.rows * request.length, 0);
    const work = rows * longest;
    this.#busy[model] = true;
    this.#runs.push({ model, requests: requests.length, content, work });
    const startedAt = this.#clock.now();
    const failed = requests.some(({ poison }) => poison);
    this.#machine.start(this.#workload.models[model]!.costMs(work) * this.#spread(), () => {
      this.#busy[model] = false;
      const failures = this.#policies[model]!.ended(requests, this.#clock.now() - startedAt, failed);
      for (const request of failed ? failures : requests) this.#answer(request, failed ? 'failed' : 'answered');
    });
  }

  #spread(): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#noise())) * Math.cos(2 * Math.PI * this.#noise());
    return Math.exp(NOISE * normal);
  }
}
