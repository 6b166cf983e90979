// Loads every model of this folder in onnxruntime-node and sends it its request.json; compares the
// files' sha256 with README.md. Exits with 1 if something fails.
//
//     node models/check.mjs
//     node models/check.mjs --held-back FILE      also scores spam-text on the held-back messages
//                                                 that spam-text/train.py writes
//     node models/check.mjs --lande FOLDER        also compares langid with lande's own code
//                                                 (FOLDER: as for langid/convert.mjs)

import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as ort from 'onnxruntime-node';
import { features } from './langid/features.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const readme = fs.readFileSync(path.join(here, 'README.md'), 'utf8');
const option = (name) => {
  const at = process.argv.indexOf(name);
  return at > 0 ? process.argv[at + 1] : undefined;
};

const open = (name) =>
  ort.InferenceSession.create(path.join(here, name, 'model.onnx'), { intraOpNumThreads: 1 });

function tensor({ datatype, shape, data }) {
  if (datatype === 'FP32') return new ort.Tensor('float32', Float32Array.from(data), shape);
  if (datatype === 'INT64') return new ort.Tensor('int64', BigInt64Array.from(data.map(BigInt)), shape);
  if (datatype === 'BYTES') return new ort.Tensor('string', data, shape);
  throw new Error(`no tensor of datatype ${datatype} here`);
}

const shown = (value) => (typeof value === 'number' ? Number(value.toFixed(4)) : value);

async function answerOf(name) {
  const folder = path.join(here, name);
  const request = JSON.parse(fs.readFileSync(path.join(folder, 'request.json'), 'utf8'));
  const session = await open(name);
  const feeds = Object.fromEntries(request.inputs.map((input) => [input.name, tensor(input)]));
  const wanted = request.outputs?.map((output) => output.name) ?? session.outputNames;
  const outputs = await session.run(feeds, wanted);
  const labels = path.join(folder, 'labels.txt');
  const names = fs.existsSync(labels) ? fs.readFileSync(labels, 'utf8').trimEnd().split('\n') : undefined;
  return wanted.map((output) => {
    const { dims, data } = outputs[output];
    const values = Array.from(data);
    if (names) {
      if (names.length !== dims[1]) throw new Error(`${names.length} labels for ${dims[1]} outputs`);
      const best = values.indexOf(Math.max(...values));
      return `${output} [${dims}]: ${names[best]} ${shown(values[best])}`;
    }
    return `${output} [${dims}]: ${values.map(shown).join(', ')}`;
  });
}

let failed = 0;
for (const name of fs.readdirSync(here).sort()) {
  const file = path.join(here, name, 'model.onnx');
  if (!fs.existsSync(file)) continue;
  const sum = crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
  try {
    console.log(`${name}: ${(await answerOf(name)).join('; ')}`);
    if (!readme.includes(sum)) throw new Error(`README.md does not name its sha256 ${sum}`);
  } catch (error) {
    failed++;
    console.error(`${name}: ${error.message}`);
  }
}

const heldBack = option('--held-back');
if (heldBack) {
  const session = await open('spam-text');
  const rows = JSON.parse(fs.readFileSync(heldBack, 'utf8'));
  const lower = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}\s]/gu, ' ');
  const views = {
    'as sent': (text) => text,
    'tags dropped, lower case, no punctuation': (text) => lower(text.replace(/<[^<>]*>/g, ' ')),
    'lower case, no punctuation': lower,
    'UPPER CASE': (text) => text.toUpperCase(),
  };
  for (const [view, change] of Object.entries(views)) {
    const right = { ham: 0, spam: 0 };
    const all = { ham: 0, spam: 0 };
    for (const { label, text } of rows) {
      const { label: answer } = await session.run({ text: new ort.Tensor('string', [change(text)], [1]) }, ['label']);
      all[label]++;
      if (answer.data[0] === label) right[label]++;
    }
    const share = (right.ham + right.spam) / rows.length;
    console.log(
      `spam-text, ${view}: ${right.ham + right.spam} of ${rows.length} right (${share.toFixed(4)}); ` +
        `spam found ${right.spam} of ${all.spam}, ham kept ${right.ham} of ${all.ham}`,
    );
  }
}

const lande = option('--lande');
if (lande) {
  const entry = path.join(path.resolve(lande), 'node_modules/lande/standalone/t50.js');
  const { default: original } = await import(pathToFileURL(entry).href);
  const names = fs.readFileSync(path.join(here, 'langid/labels.txt'), 'utf8').trimEnd().split('\n');
  const texts = [
    'Where is the nearest library?', 'Où se trouve la bibliothèque la plus proche ?',
    'Wo ist die nächste Bibliothek?', '¿Dónde está la biblioteca más cercana?', 'Где ближайшая библиотека?',
    '最寄りの図書館はどこですか。', '最近的图书馆在哪里？', '가장 가까운 도서관은 어디입니까?', 'Πού είναι η πλησιέστερη βιβλιοθήκη;',
    'En yakın kütüphane nerede?', 'Hvor er det nærmeste biblioteket?', 'x', 'well-known  e-mail\taddress 42',
  ];
  const session = await open('langid');
  const data = Float32Array.from(texts.flatMap(features));
  const { probabilities } = await session.run({
    ngram_freq: new ort.Tensor('float32', data, [texts.length, data.length / texts.length]),
  });
  let worst = 0;
  texts.forEach((text, row) => {
    const theirs = new Map(original(text));
    names.forEach((name, i) => {
      worst = Math.max(worst, Math.abs(theirs.get(name) - probabilities.data[row * names.length + i]));
    });
  });
  console.log(`langid: differs from lande's own code by at most ${worst.toExponential(1)} on ${texts.length} texts`);
  if (!(worst < 1e-4)) failed++;
}

process.exitCode = failed ? 1 : 0;
