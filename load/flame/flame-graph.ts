// A V8 CPU profile as a flame graph: an SVG that reads on light and on dark pages. Width is time on the processor, what
// stands on something was called by it; idle time is left out.

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

interface Frame {
  readonly name: string;
  readonly origin: Origin;
  us: number;
  readonly callees: Map<string, Frame>;
}

type Origin = 'ours' | 'library' | 'node' | 'native';

const [WIDTH, ROW, LEAST_WIDTH, LETTER] = [1200, 18, 2, 6.6];
const IDLE = '(idle)';
const COLOURS: Record<Origin, string> = { ours: '#4c8eda', library: '#8b7fd1', node: '#9aa5b1', native: '#d98c4a' };

/** @param fromUs samples before this are left out: the start of the process */
export function flameGraph(title: string, profile: CpuProfile, fromUs: number): string {
  const root = collect(profile, fromUs);
  const rows: string[] = [];
  const depth = draw(root, 0, 0, WIDTH / root.us, rows);
  const height = (depth + 2) * ROW;
  const flipped = rows.map((row) =>
    row.replaceAll(/@([0-9]+)@/g, (_, level) => String(height - (Number(level) + 1) * ROW)),
  );
  const legend = Object.entries(COLOURS)
    .map(
      ([origin, colour], i) =>
        `<rect x="${700 + i * 120}" y="3" width="12" height="12" fill="${colour}"/><text class="plain" x="${716 + i * 120}" y="13">${origin}</text>`,
    )
    .join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">
<title>${escapeXml(title)}</title>
<style>.plain { fill: #24292f } @media (prefers-color-scheme: dark) { .plain { fill: #d0d7de } } .label { fill: #111 }</style>
<text class="plain" x="0" y="13">${escapeXml(title)}</text>${legend}
${flipped.join('\n')}
</svg>
`;
}

/** Busy time as shares of all of it, by where the code comes from. */
export function sharesOf(profile: CpuProfile, fromUs: number): Map<string, number> {
  const shares = new Map<string, number>();
  const visit = (frame: Frame): void => {
    let callees = 0;
    for (const callee of frame.callees.values()) {
      callees += callee.us;
      visit(callee);
    }
    const key = frame.name === '(garbage collector)' ? 'garbage collector' : frame.origin;
    shares.set(key, (shares.get(key) ?? 0) + frame.us - callees);
  };
  const root = collect(profile, fromUs);
  visit(root);
  for (const [key, us] of shares) shares.set(key, us / root.us);
  return shares;
}

function collect({ nodes, samples, timeDeltas }: CpuProfile, fromUs: number): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const root: Frame = { name: 'all', origin: 'native', us: 0, callees: new Map() };
  let at = 0;
  for (const [i, sample] of samples.entries()) {
    const us = timeDeltas[i]!;
    at += us;
    if (at < fromUs || byId.get(sample)!.callFrame.functionName === IDLE) continue;
    const stack: number[] = [];
    for (let id: number | undefined = sample; id !== undefined; id = callers.get(id)) stack.unshift(id);
    let frame = root;
    root.us += us;
    for (const id of stack.slice(1)) {
      const { functionName, url } = byId.get(id)!.callFrame;
      const name = functionName || '(anonymous)';
      let callee = frame.callees.get(name);
      if (!callee) {
        callee = { name, origin: originOf(url), us: 0, callees: new Map() };
        frame.callees.set(name, callee);
      }
      callee.us += us;
      frame = callee;
    }
  }
  return root;
}

function originOf(url: string): Origin {
  if (url.startsWith('node:')) return 'node';
  if (url.includes('/node_modules/')) return 'library';
  return url ? 'ours' : 'native';
}

/** @returns the deepest level drawn; `@level@` stands for the place that is known when all are drawn */
function draw(frame: Frame, x: number, level: number, scale: number, rows: string[]): number {
  const width = frame.us * scale;
  if (width < LEAST_WIDTH) return level - 1;
  const letters = Math.floor((width - 4) / LETTER);
  const label =
    letters >= 3
      ? `<text class="label" x="${(x + 2).toFixed(1)}" y="@${level}@" dy="12">${escapeXml(frame.name.slice(0, letters))}</text>`
      : '';
  rows.push(
    `<rect x="${x.toFixed(1)}" y="@${level}@" width="${(width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${COLOURS[frame.origin]}"/>${label}`,
  );
  let deepest = level;
  let left = x;
  for (const callee of [...frame.callees.values()].sort((a, b) => b.us - a.us)) {
    deepest = Math.max(deepest, draw(callee, left, level + 1, scale, rows));
    left += callee.us * scale;
  }
  return deepest;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
