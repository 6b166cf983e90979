// Bars for each workload, drawn by ourselves as SVG that is readable on light and on dark pages.

import type { Comparison } from './comparison.ts';
import { significant } from './report.ts';

const [WIDTH, ROW, NAME, BARS] = [760, 18, 110, 520];

/** One panel a workload: the figure that counts, best in colour. */
export function plot(comparisons: readonly Comparison[]): string {
  let y = 0;
  const panels = comparisons.map((comparison) => {
    const panel = `<g transform="translate(0 ${y})">${panelOf(comparison)}</g>`;
    y += (comparison.standings.length + 2) * ROW;
    return panel;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12">
<title>The figure that counts, of each policy under each workload</title>
<style>
text { fill: #24292f } .title { font-weight: bold } rect { fill: #afb8c1 } .leads { fill: #57ab5a } .ortlet { fill: #1f6feb }
@media (prefers-color-scheme: dark) { text { fill: #d0d7de } rect { fill: #57606a } .leads { fill: #3fb950 } .ortlet { fill: #58a6ff } }
</style>
${panels.join('\n')}
</svg>
`;
}

function panelOf({ workload, standings }: Comparison): string {
  const { name, merit } = workload;
  const finite = standings.map((one) => one.merit).filter(Number.isFinite);
  // A policy whose queue grows without end would make all others invisible: its bar ends at the edge.
  const ours = standings[0]!.merit;
  const most = merit.better === 'higher' || ours === 0 ? Math.max(...finite) : Math.min(Math.max(...finite), 5 * ours);
  const title = `<text class="title" x="0" y="13">${escapeXml(`${name}: ${merit.name}, ${merit.better} is better`)}</text>`;
  const bars = standings.map((standing, i) => {
    const y = (i + 1) * ROW;
    const share = most > 0 && Number.isFinite(standing.merit) ? Math.min(1, standing.merit / most) : 0;
    const width = Math.max(1, share * BARS).toFixed(1);
    const colour = i === 0 ? 'ortlet' : standing.leads ? 'leads' : 'other';
    return (
      `<text x="${NAME - 8}" y="${y + 13}" text-anchor="end">${escapeXml(standing.policy.name)}</text>` +
      `<rect class="${colour}" x="${NAME}" y="${y + 2}" width="${width}" height="${ROW - 5}"/>` +
      `<text x="${NAME + Number(width) + 6}" y="${y + 13}">${significant(standing.merit)}</text>`
    );
  });
  return [title, ...bars].join('\n');
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
