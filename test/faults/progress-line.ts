// How far a fault has come, on a terminal's last line; nothing where the output is no terminal.

const WIDTH = 30;

export function progressLine(label: string, stream: NodeJS.WriteStream = process.stderr) {
  const write = (text: string) => stream.isTTY && stream.write(`\r\u001b[K${text}`);
  let filled = -1;
  return {
    progress(done: number, total: number): void {
      const now = Math.round((Math.min(done, total) / total) * WIDTH);
      if (now !== filled) write(`${label} ${'█'.repeat(now)}${'░'.repeat(WIDTH - now)}`);
      filled = now;
    },
    end: () => void write(''),
  };
}
