// What the supervisor and a replica say to each other over the channel between them.
//
//   supervisor ──start──▶ replica ──progress … serving | failed──▶ supervisor
//              ──retire | stop──▶  ──hurry──▶  ──stopped──▶
//              ◀──scrape──  ──measure──▶ every replica  ──measured──▶  ──scraped──▶

import type { Settings } from '../config/schema.ts';
import type { MetricsSnapshot } from '../observability/tally.ts';
import type { StartOrder } from '../server.ts';

export type ToReplica =
  | { readonly kind: 'start'; readonly settings: Settings; readonly place: number; readonly order: StartOrder }
  /** Accept no connection any more, serve those there are until they are closed, then stop. */
  | { readonly kind: 'retire' }
  | { readonly kind: 'stop' }
  /** What is left of the shutdown delay is not waited for. */
  | { readonly kind: 'hurry' }
  | { readonly kind: 'measure'; readonly id: number }
  | { readonly kind: 'scraped'; readonly id: number; readonly text: string };

export type ToSupervisor =
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | ({ readonly kind: 'serving' } & Serving)
  | { readonly kind: 'failed'; readonly message: string; readonly code: string | undefined }
  | { readonly kind: 'scrape'; readonly id: number }
  | { readonly kind: 'measured'; readonly id: number; readonly metrics: MetricsSnapshot }
  /** `complete`: nothing was cut short. */
  | { readonly kind: 'stopped'; readonly complete: boolean; readonly metrics: MetricsSnapshot };

/** A replica that listens and has tried its models. */
export interface Serving {
  readonly address: string;
  readonly models: readonly string[];
  /** Why it should get no traffic, or undefined. */
  readonly unready: string | undefined;
}
