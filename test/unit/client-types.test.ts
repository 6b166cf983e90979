// What the compiler promises to users of the client; `tsc -p .` holds the lines marked @ts-expect-error to it.

import { describe, expect, expectTypeOf, test } from 'vitest';
import { typesModule } from '../../src/cli/types.ts';
import { type AnyTensor, type Datatype, OrtletClient } from '../../src/client/client.ts';
import { DATATYPE_NAMES, type Datatype as ServerDatatype } from '../../src/tensor/datatype.ts';
import { projectOf } from '../fixtures/compiler.ts';
import type { Models } from '../fixtures/shipped-models.ts';

const ortlet = new OrtletClient<Models>({ url: 'http://localhost:8080' });
const untyped = new OrtletClient({ url: 'http://localhost:8080' });
/** For the compiler alone. */
const compiled = (_: () => unknown) => {};

describe('a typed client', () => {
  test('takes each input nested as its shape, or flat with its shape', () => {
    compiled(() => ortlet.infer('iris', { features: [[51, 35, 14n, 2n]] }));
    compiled(() => ortlet.infer('iris', { features: [BigInt64Array.of(51n, 35n, 14n, 2n)] }));
    compiled(() => ortlet.infer('iris', { features: { shape: [2, 4], data: new BigInt64Array(8) } }));
    compiled(() => ortlet.infer('iris', { features: { datatype: 'INT64', shape: [1, 4], data: [1, 2, 3, 4] } }));
    compiled(() => ortlet.infer('spam-text', { text: ['hello'] }));
    compiled(() => ortlet.infer('digits', { image: [[[new Float32Array(8)]]] }));
  });

  test('refuses names, elements and shapes that the model does not have', () => {
    // @ts-expect-error no such model
    compiled(() => ortlet.infer('irsi', { features: [[1, 2, 3, 4]] }));
    // @ts-expect-error no such input
    compiled(() => ortlet.infer('iris', { feature: [[1, 2, 3, 4]] }));
    // @ts-expect-error one input too many
    compiled(() => ortlet.infer('iris', { features: [[1, 2, 3, 4]], more: [1] }));
    // @ts-expect-error an input is missing
    compiled(() => ortlet.infer('iris', {}));
    // @ts-expect-error strings for integers
    compiled(() => ortlet.infer('iris', { features: [['1', '2', '3', '4']] }));
    // @ts-expect-error one dimension of two
    compiled(() => ortlet.infer('iris', { features: [1, 2, 3, 4] }));
    // @ts-expect-error three dimensions of two
    compiled(() => ortlet.infer('iris', { features: [[[1, 2, 3, 4]]] }));
    // @ts-expect-error another array than the datatype's
    compiled(() => ortlet.infer('iris', { features: [new Float32Array(4)] }));
    // @ts-expect-error bigints for floats
    compiled(() => ortlet.infer('simplenet', { input: [[1n]] }));
    // @ts-expect-error numbers for strings
    compiled(() => ortlet.infer('spam-text', { text: [1] }));
    // @ts-expect-error a fixed dimension of another size
    compiled(() => ortlet.infer('iris', { features: { shape: [1, 5], data: [1, 2, 3, 4, 5] } }));
    // @ts-expect-error another datatype
    compiled(() => ortlet.infer('iris', { features: { datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] } }));
    // @ts-expect-error no such output
    compiled(() => ortlet.infer('iris', { features: [[1, 2, 3, 4]] }, { outputs: ['lable'] }));
    // @ts-expect-error no such model
    compiled(() => ortlet.metadata('irsi'));
  });

  test('gives the outputs with their types, and only those asked for', () => {
    const all = () => ortlet.infer('iris', { features: [[1, 2, 3, 4]] });
    type All = Awaited<ReturnType<typeof all>>['outputs'];
    expectTypeOf<All['label']['data']>().toEqualTypeOf<string[]>();
    expectTypeOf<All['probabilities']['shape']>().toEqualTypeOf<[number, 3]>();
    const one = () => ortlet.infer('iris', { features: [[1, 2, 3, 4]] }, { version: '1', outputs: ['label'] });
    type One = Awaited<ReturnType<typeof one>>['outputs'];
    expectTypeOf<keyof One>().toEqualTypeOf<'label'>();
  });

  test('gives what it takes: an output can be the next input', () => {
    const both = async () => {
      const { outputs } = await ortlet.infer('iris', { features: [[1, 2, 3, 4]] });
      return ortlet.infer('spam-text', { text: outputs.label });
    };
    expectTypeOf(both).returns.resolves.toHaveProperty('outputs');
  });
});

test('without types, any model and tensor goes, and `data` follows from `datatype`', () => {
  compiled(() => untyped.infer('m', { x: [[1, 2n]], y: ['text'], z: { shape: [0], data: [] }, scalar: true }));
  // @ts-expect-error no tensor holds dates
  compiled(() => untyped.infer('m', { x: [new Date()] }));
  const data = (tensor: AnyTensor) => (tensor.datatype === 'BOOL' ? tensor.data : undefined);
  expectTypeOf(data).returns.toEqualTypeOf<boolean[] | undefined>();
  expectTypeOf<Datatype>().toEqualTypeOf<ServerDatatype>();
});

describe('the printed module', () => {
  const x = (name: string, datatype: Datatype = 'FP32', shape: readonly number[] = [-1]) => ({ name, datatype, shape });

  test('is the same whatever order the models and tensors come in', () => {
    const a = { name: 'a', inputs: [x('one'), x('two')], outputs: [x('three')] };
    const b = { name: 'b', inputs: [x('four')], outputs: [x('six'), x('five')] };
    const turned = (model: typeof a) => ({
      name: model.name,
      inputs: model.inputs.toReversed(),
      outputs: model.outputs.toReversed(),
    });
    expect(typesModule([turned(b), turned(a)])).toBe(typesModule([a, b]));
  });

  test('compiles and fits the client in a project for browsers, for every datatype and whatever the names are', async () => {
    const names = [
      'Models',
      'x-y',
      'x_y',
      'xY',
      '3d',
      'string',
      'Float32Array',
      'naïve Bäckerei.v1',
      '模型',
      '🙂',
      "it's",
      'a"b',
      'back\\slash',
      "\\'",
      '\u2028',
      '__proto__',
      'constructor',
      '*/ //',
      '`x`',
      '',
    ];
    const tensors = [...names, ...DATATYPE_NAMES].map((name, i) =>
      x(name, DATATYPE_NAMES[i % DATATYPE_NAMES.length], [[], [-1], [-1, 3]][i % 3]),
    );
    const models = names.map((name) => ({ name, inputs: tensors, outputs: tensors }));
    const keys = names.map((name) => JSON.stringify(name)).join(' | ');
    using project = projectOf({
      'models.ts': typesModule(models),
      'check.ts': `
        import { OrtletClient, type Inputs } from 'ortlet/client';
        import type { Models } from './models.ts';
        export const ortlet = new OrtletClient<Models>({ url: '' });
        type Names = ${keys};
        export const same: keyof Models extends Names ? (Names extends keyof Models ? true : never) : never = true;
        declare const inputs: Inputs<Models['模型']>;
        export const answer = await ortlet.infer('模型', inputs, { outputs: ["it's"] });
        answer.outputs["it's"].data;
        // @ts-expect-error not asked for
        answer.outputs['3d'];
        // @ts-expect-error no Node.js here
        process.exit();
      `,
      'empty.ts': typesModule([]),
    });
    expect(await project.compile()).toBe('');
  });
});
