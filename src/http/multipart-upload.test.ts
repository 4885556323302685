import { once } from 'node:events';
import { Agent, createServer, request, type Server } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import express from 'express';
import { afterEach, expect, it } from 'vitest';
import { receiveFile } from './multipart-upload.ts';

const SILENCE_MS = 150;
const FORM = '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncontent\r\n--x--\r\n';

let server: Server | undefined;
afterEach(() => server?.close().closeAllConnections());

async function listenWith(work: () => Promise<unknown>): Promise<number> {
  const app = express().post('/', async (req, res) => {
    const file = await receiveFile(req, res, 'file', async ({ body, announcedBytes }) => {
      const content = await buffer(body);
      await work();
      return { length: content.length, announcedBytes, abort: async () => undefined };
    });
    res.json([file.length, file.announcedBytes]);
  });
  server = createServer(app).listen(0, '127.0.0.1');
  server.timeout = SILENCE_MS;
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

function post(port: number, agent: Agent) {
  const headers = { 'content-type': 'multipart/form-data; boundary=x', 'content-length': FORM.length };
  return request({ port, host: '127.0.0.1', method: 'POST', agent, headers });
}

async function answerOf(sent: ReturnType<typeof post>): Promise<string> {
  const [response] = await once(sent, 'response');
  return (await buffer(response)).toString();
}

it('waits for work after the whole form without a limit, and for the next form with one', async () => {
  const port = await listenWith(() => delay(3 * SILENCE_MS));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const first = post(port, agent);
  first.end(FORM);
  expect(await answerOf(first)).toBe('[7,7]');
  const second = post(port, agent);
  second.write(FORM.slice(0, 30));
  await expect(answerOf(second)).rejects.toThrow('socket hang up');
  agent.destroy();
});
