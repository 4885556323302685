// `npm run bench:auth`: does the time of an answer tell who has an account? Medians of login and reset for known and
// unknown addresses, one request at a time and by turns, so that whatever else the machine does meets both alike.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, startService } from './processes.ts';

const REQUESTS = Number(process.env['BENCH_REQUESTS'] ?? 200);
/** A code gives so many tries; so many accounts let every measured guess meet a living one. */
const TRIES = 5;
const GOAL_MS = 5;
const WARM_UP = 10;
const PASSWORD = 'only for this bench';

interface Pair {
  readonly name: string;
  readonly known: (turn: number) => Promise<unknown>;
  readonly unknown: (turn: number) => Promise<unknown>;
}

const folder = await mkdtemp(join(tmpdir(), 'pockity-bench-'));
let service: Child | undefined;
try {
  service = await startService(join(folder, 'data'));
  const accounts = await register(service, Math.ceil((REQUESTS + WARM_UP) / TRIES));
  for (const pair of pairs(service, accounts)) await measure(pair);
} finally {
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
}

function pairs({ url }: Child, accounts: readonly string[]): Pair[] {
  const address = (turn: number) => accounts[turn % accounts.length] ?? '';
  const stranger = (turn: number) => `stranger${turn}@example.com`;
  const login = (email: string) => post(url, '/auth/login', { email, password: 'wrong password' }, 401);
  const reset = (email: string) =>
    post(url, '/auth/reset-password', { email, otp: '000000', newPassword: PASSWORD }, 400);
  const forgot = (email: string) => post(url, '/auth/forgot-password', { email }, 202);
  return [
    {
      name: 'login, wrong password',
      known: (turn) => login(address(turn)),
      unknown: (turn) => login(stranger(turn)),
    },
    {
      name: 'reset-password, wrong code while a code is alive',
      known: (turn) => reset(address(turn)),
      unknown: (turn) => reset(stranger(turn)),
    },
    {
      name: 'reset-password, tries used up',
      known: (turn) => reset(address(turn)),
      unknown: (turn) => reset(stranger(turn)),
    },
    {
      name: 'forgot-password',
      known: (turn) => forgot(address(turn)),
      unknown: (turn) => forgot(stranger(turn)),
    },
  ];
}

async function measure({ name, known, unknown }: Pair): Promise<void> {
  const times = { known: [] as number[], unknown: [] as number[] };
  for (let turn = 0; turn < REQUESTS + WARM_UP; turn += 1) {
    const order = [
      ['known', known],
      ['unknown', unknown],
    ] as const;
    for (const [kind, ask] of turn % 2 === 0 ? order : order.toReversed()) {
      const startedAt = performance.now();
      await ask(turn);
      if (turn >= WARM_UP) times[kind].push(performance.now() - startedAt);
    }
  }
  const [one, other] = [median(times.known), median(times.unknown)];
  // Of the two requests of one turn: what the machine does in the meantime is left out.
  const paired = median(times.known.map((time, turn) => time - (times.unknown[turn] ?? 0)));
  const difference = Math.abs(one - other);
  const verdict = difference <= GOAL_MS ? 'ok' : `more than ${GOAL_MS} ms`;
  console.log(`${name}: medians known ${ms(one)}, unknown ${ms(other)}, difference ${ms(difference)}: ${verdict}`);
  console.log(`  median of the differences in a turn: ${ms(paired)}`);
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

/** Accounts, each with a living reset code. */
async function register({ url, dataDirectory }: Child, count: number): Promise<string[]> {
  const emails = Array.from({ length: count }, (_, i) => `account${i}@example.com`);
  for (const email of emails) await post(url, '/auth/register', { email, password: PASSWORD }, 201);
  for (const email of emails) await post(url, '/auth/forgot-password', { email }, 202);
  const outbox = join(dataDirectory, 'outbox');
  for (let mails = 0; mails < 2 * count; await delay(200)) mails = (await readdir(outbox)).length;
  // The codes are looked at only to be sure that no guess is right.
  const texts = await Promise.all((await readdir(outbox)).map((name) => readFile(join(outbox, name), 'utf8')));
  if (texts.some((text) => text.includes('Your code: 000000'))) throw new Error('one code is the guess; start again');
  return emails;
}

async function post(url: string, path: string, body: object, expected: number): Promise<void> {
  const response = await fetch(`${url}/api${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== expected) throw new Error(`${path}: ${response.status} ${text}`);
}
