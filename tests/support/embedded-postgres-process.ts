// A process that shares an embedded server, for tests that kill it: node embedded-postgres-process.ts <directory> <password>
// It writes a line of JSON for each thing that happens, and releases its share when it gets a line on stdin.
import { once } from 'node:events';
import { startEmbeddedPostgres } from '../../src/platform/db/embedded-postgres.ts';

function say(event: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

const log = {
  info: (_fields: object, message: string) => say(message),
  warn: (_fields: object, message: string) => say(message),
  error: (_fields: object, message: string) => say(message),
};

const [directory = '', password = ''] = process.argv.slice(2);
try {
  const server = await startEmbeddedPostgres({ directory, password, log, settings: { fsync: 'off' } });
  say('ready', { url: server.url });
  await once(process.stdin, 'data');
  await server.release();
  say('released');
} catch (error) {
  say('failed', { message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
process.stdin.destroy();
