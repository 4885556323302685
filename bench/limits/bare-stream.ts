// Limit program: bare node:http that writes a body to a file with fsync, and reads one back.
import { createReadStream, createWriteStream } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const path = join(process.env['BENCH_DIRECTORY'] ?? '.', 'bare-stream.bin');
const server = createServer((req, res) => {
  const work =
    req.method === 'POST'
      ? pipeline(req, createWriteStream(path, { flush: true }))
      : pipeline(createReadStream(path), res);
  work.then(
    () => {
      if (req.method === 'POST') res.writeHead(201).end();
    },
    () => res.destroy(),
  );
});
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }));
});
