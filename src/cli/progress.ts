// A progress bar on standard error, where a person watches; silent everywhere else.

/** @returns a function that draws how far things are */
export function progressBar(what: string, stream: NodeJS.WriteStream = process.stderr) {
  if (!stream.isTTY) return () => {};
  return (done: number, total: number): void => {
    const width = 30;
    const filled = total === 0 ? width : Math.round((done / total) * width);
    stream.write(`\r${what} [${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${done}/${total}`);
    if (done === total) stream.write('\n');
  };
}
