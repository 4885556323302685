import type { Readable } from 'node:stream';

const NEWLINE = 0x0a;

/**
 * What a process says, line by line, until it says no more. It may have been taken over: more than `maxBytes` in all is an
 * error, before anything of it is parsed.
 */
export async function* linesOf(stream: Readable, maxBytes: number): AsyncGenerator<string> {
  const said = Buffer.alloc(maxBytes);
  let length = 0;
  let from = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (chunk.length > maxBytes - length) throw new Error('the process says too much');
    said.set(chunk, length);
    length += chunk.length;
    for (let end = said.indexOf(NEWLINE, from); end !== -1 && end < length; end = said.indexOf(NEWLINE, from)) {
      yield said.toString('utf8', from, end);
      from = end + 1;
    }
  }
}

/** The next of them, parsed; undefined where it is no JSON or there is too much of it. Never, where no more comes. */
export async function nextMessage(lines: AsyncGenerator<string>): Promise<unknown> {
  try {
    const { value, done } = await lines.next();
    // How the process ended says more.
    if (done) return await new Promise<never>(() => {});
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
