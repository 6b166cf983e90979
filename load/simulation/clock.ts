// Virtual time: what is to happen is kept in order and happens at once, so an hour takes a moment and every run is the same.

interface Event {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

export class VirtualClock {
  #now = 0;
  #order = 0;
  /** A heap, the next event on top. */
  #events: Event[] = [];

  /** Milliseconds since the beginning. */
  readonly now = (): number => this.#now;

  /** @param at an instant; one that has passed means now */
  schedule(at: number, action: () => void): void {
    const events = this.#events;
    const event = { at: Math.max(at, this.#now), order: this.#order++, action };
    let place = events.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (before(events[parent]!, event)) break;
      events[place] = events[parent]!;
      place = parent;
    }
    events[place] = event;
  }

  /** Lets everything happen. @param settle called after all events of an instant */
  run(settle: () => void): void {
    while (this.#events.length > 0) {
      this.#now = this.#events[0]!.at;
      while (this.#events[0]?.at === this.#now) this.#take().action();
      settle();
    }
  }

  #take(): Event {
    const events = this.#events;
    const first = events[0]!;
    const last = events.pop()!;
    if (events.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && before(events[child + 1]!, events[child]!)) child++;
      if (before(last, events[child]!)) break;
      events[place] = events[child]!;
      place = child;
    }
    events[place] = last;
    return first;
  }
}

function before(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
