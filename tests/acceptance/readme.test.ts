import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { useService } from '../support/server-fixture.ts';

const run = promisify(execFile);
const service = useService();

test('README’s flow runs as it is written, to the last line', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  const flow = readme.slice(readme.indexOf('## The flow, in curl'), readme.indexOf('## Configuration'));
  const blocks = [...flow.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text);
  expect(blocks.length).toBeGreaterThanOrEqual(6);
  const script = blocks
    .join('\n')
    .replace('http://localhost:8080', service.baseUrl)
    .replace('the password that the banner showed', service.place.adminPassword)
    // As in README, the outbox is read where the service keeps its data.
    .replaceAll('data/outbox', join(service.place.dataDirectory, 'outbox'));
  const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: service.place.dataDirectory,
    timeout: 60_000,
  });
  expect(stdout).not.toContain('"success":false');
  expect(stdout).toContain('"emailVerified":true');
  expect(stdout).toContain('Hello, pocket');
  expect(stdout).toMatch(/"sizeFreed":14/);
  expect(stdout).toContain('"maxObjects":20000');
  expect(stdout).toContain('"action":"key.rotate"');
  expect(stdout).toContain('id,createdAt,action,');
  const from = stdout.lastIndexOf('{"success":true,"message":"Usage"');
  const [usage = ''] = stdout.slice(from).split(/(?<=\})(?=\{"success")/);
  expect(JSON.parse(usage).data.usage).toMatchObject({ bytesUsed: 0, objects: 0, bytesReserved: 0 });
});
