// Language identification: turns the trained weights in the npm package lande@1.0.10 into ONNX.
//
//     ngram_freq: float32[batch, 620]  ->  probabilities: float32[batch, 50]
//
// No training: the weights are lande's own (MIT, see NOTICE). What lande does to the text before
// its network (counting letter sequences) stays the caller's work; ../README.md says how.
//
//     npm install lande@1.0.10 toygrad@2.6.0 onnx-proto@8.0.1      (in a folder of its own, FOLDER)
//     node convert.mjs FOLDER OUT
//
// writes OUT/model.onnx, OUT/labels.txt (the languages in the order of the output, ISO 639-3) and
// OUT/ngrams.json (the letter sequences in the order of the input). The same packages write the
// same bytes again.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, out] = process.argv.slice(2);
if (!folder || !out) {
  throw new Error('usage: node convert.mjs FOLDER OUT');
}

const modules = path.join(path.resolve(folder), 'node_modules');
const load = (file) => import(pathToFileURL(path.join(modules, file)).href);
const { onnx } = createRequire(path.join(modules, 'x.js'))('onnx-proto');
const { Encoder } = await load('toygrad/dist/index.js');
const { default: options } = await load('lande/standalone/t50-options.js');
const { default: ngrams } = await load('lande/standalone/t50-ngrams.js');
const { default: languages } = await load('lande/standalone/t50-langs.js');

const FLOAT = 1; // TensorProto.DataType
const INT = 2; // AttributeProto.AttributeType

const tensor = (name, dims, values) => ({
  name,
  dims,
  dataType: FLOAT,
  rawData: new Uint8Array(Float32Array.from(values).buffer),
});
const port = (name, width) => ({
  name,
  type: {
    tensorType: {
      elemType: FLOAT,
      shape: { dim: [{ dimParam: 'batch' }, { dimValue: width }] },
    },
  },
});

const order = ['unigrams', 'bigrams', 'trigrams', 'quadgrams'].flatMap((kind) => ngrams[kind]);
const width = options.layers[0].sz;
if (order.length !== width) {
  throw new Error(`the network takes ${width} numbers, but there are ${order.length} n-grams`);
}

// Dense layers with ReLU between them and Softmax at the end.
const dense = options.layers.filter((layer) => layer.type === 'dense');
const initializer = [];
const node = [];
let current = 'ngram_freq';
let columns = width;
dense.forEach((layer, index) => {
  const name = `fc${index + 1}`;
  const rows = layer._filters.map((filter) => Array.from(Encoder.decode(filter)));
  initializer.push(
    tensor(`${name}.weight`, [layer.filters, columns], rows.flat()),
    tensor(`${name}.bias`, [layer.filters], Encoder.decode(layer._biases)),
  );
  node.push({
    opType: 'Gemm',
    name,
    input: [current, `${name}.weight`, `${name}.bias`],
    output: [`${name}.out`],
    attribute: [{ name: 'transB', type: INT, i: 1 }],
  });
  current = `${name}.out`;
  columns = layer.filters;
  if (index < dense.length - 1) {
    const relu = `relu${index + 1}.out`;
    node.push({ opType: 'Relu', name: `relu${index + 1}`, input: [current], output: [relu] });
    current = relu;
  }
});
node.push({
  opType: 'Softmax',
  name: 'softmax',
  input: [current],
  output: ['probabilities'],
  attribute: [{ name: 'axis', type: INT, i: 1 }],
});

const model = onnx.ModelProto.create({
  irVersion: 8,
  opsetImport: [{ domain: '', version: 17 }],
  producerName: 'ortlet-models',
  graph: {
    name: 'lande-t50',
    node,
    initializer,
    input: [port('ngram_freq', width)],
    output: [port('probabilities', languages.length)],
  },
  metadataProps: [
    { key: 'labels', value: JSON.stringify(languages) },
    { key: 'source', value: 'weights of npm lande@1.0.10, MIT, (c) Fabio Spampinato' },
  ],
});

fs.writeFileSync(path.join(out, 'model.onnx'), onnx.ModelProto.encode(model).finish());
fs.writeFileSync(path.join(out, 'labels.txt'), languages.map((name) => `${name}\n`).join(''));
const wrap = (list) => {
  const lines = [];
  for (let i = 0; i < list.length; i += 16) {
    lines.push(`  ${list.slice(i, i + 16).map((s) => JSON.stringify(s)).join(', ')}`);
  }
  return `[\n${lines.join(',\n')}\n]\n`;
};
fs.writeFileSync(path.join(out, 'ngrams.json'), wrap(order));
