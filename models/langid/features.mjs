// What a client of the langid model does: turns texts into the 620 numbers the network takes.
//
//     node features.mjs "Where is the nearest library?"      prints a request body
//
// For n = 1, 2, 3, 4 a window of n UTF-16 units slides over the tidied text; the input is how often
// each sequence of ngrams.json came up, divided by the number of windows of its length.

import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

const ngrams = JSON.parse(fs.readFileSync(new URL('ngrams.json', import.meta.url), 'utf8'));

// Hyphens count as spaces; only letters, marks and single spaces stay; one space at each end.
export function tidy(text) {
  const letters = text
    .replace(/-+/g, ' ')
    .replace(/[^\p{L}\p{M}\s]/gu, '')
    .replace(/\s{2,}/g, ' ');
  return ` ${letters.toLowerCase().trim()} `;
}

export function features(text) {
  const tidied = tidy(text);
  const counts = new Map();
  const windows = [0, 1, 2, 3, 4].map((n) => Math.max(0, tidied.length - n + 1));
  for (let n = 1; n <= 4; n++) {
    for (let i = 0; i < windows[n]; i++) {
      const piece = tidied.slice(i, i + n);
      counts.set(piece, (counts.get(piece) ?? 0) + 1);
    }
  }
  return ngrams.map((piece) => (counts.get(piece) ?? 0) / (windows[piece.length] || 1));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const texts = process.argv.slice(2);
  const numbers = texts.flatMap((text) => features(text)).map((value) => Number(value.toFixed(6)));
  const lines = [];
  for (let i = 0; i < numbers.length; i += 20) {
    lines.push(`        ${numbers.slice(i, i + 20).join(', ')}`);
  }
  console.log(`{
  "inputs": [
    {
      "name": "ngram_freq",
      "shape": [${texts.length}, ${ngrams.length}],
      "datatype": "FP32",
      "data": [
${lines.join(',\n')}
      ]
    }
  ]
}`);
}
