// What is measured: models, forms of the body, and how the requests come.

import { MODELS } from './models.ts';

export type BodyForm = 'json' | 'binary';

/** Closed: each connection sends as soon as it has its answer. Open: requests come when they come. */
type Arrival = { readonly kind: 'closed'; readonly connections: number } | { readonly kind: 'open' };

export interface Scenario {
  readonly name: string;
  readonly model: (typeof MODELS)[number];
  readonly form: BodyForm;
  readonly arrival: Arrival;
}

const FORMS: readonly BodyForm[] = ['json', 'binary'];
const CONNECTIONS = [1, 8, 32];

export const SCENARIOS: readonly Scenario[] = MODELS.flatMap((model) => [
  ...FORMS.flatMap((form) =>
    CONNECTIONS.map((connections): Scenario => {
      const name = `${model.name} ${form} x${connections}`;
      return { name, model, form, arrival: { kind: 'closed', connections } };
    }),
  ),
  { name: `${model.name} json open`, model, form: 'json', arrival: { kind: 'open' } },
]);
