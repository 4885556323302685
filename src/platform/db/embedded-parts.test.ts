import { describe, expect, it } from 'vitest';
import { findInPasswd } from './embedded-account.ts';
import { findEmbeddedBinaries } from './embedded-binaries.ts';
import { outcomeOfLog } from './embedded-cluster.ts';
import { serverUrl } from './embedded-server.ts';
import { isPostmasterCommand, looksLikePostmaster, parsePostmasterPid } from './postmaster-pid.ts';

describe('parsePostmasterPid', () => {
  const full = '6448\n/data/cluster\n1795252459\n45999\n\n127.0.0.1\n  2154516        17\nready   \n';

  it.each([
    ['a whole file', full, { pid: 6448, port: 45999, ready: true }],
    ['a file that is still being written', '6448\n/data/cluster\n', { pid: 6448, port: null, ready: false }],
    ['a server that starts', full.replace('ready   ', 'starting'), { pid: 6448, port: 45999, ready: false }],
    ['a server without a port', full.replace('45999', '0'), { pid: 6448, port: null, ready: true }],
    ['a stand-alone backend, whose pid is negative', '-77\n/data/cluster\n1\n', { pid: 77, port: null, ready: false }],
    ['an empty file', '', null],
    ['something else', 'hello', null],
    ['pid 0', '0\n', null],
  ])('reads %s', (_what, text, expected) => {
    expect(parsePostmasterPid(text)).toEqual(expected);
  });
});

describe('isPostmasterCommand', () => {
  const command = '/app/node_modules/x/bin/postgres -D cluster -p 45999 -c listen_addresses=127.0.0.1 ';

  it('knows a server by its program and port', () => {
    expect(isPostmasterCommand(command, 45999)).toBe(true);
    expect(isPostmasterCommand(command, null)).toBe(true);
  });

  it.each([
    ['a server on another port', command, 4599],
    ['a child of a server', 'postgres: checkpointer', 45999],
    ['another program', 'sleep 600', null],
    ['a process that is gone, or a zombie', '', null],
  ])('refuses %s', (_what, text, port) => {
    expect(isPostmasterCommand(text, port)).toBe(false);
  });
});

it('looksLikePostmaster refuses living processes that are none, and dead ones', async () => {
  expect(await looksLikePostmaster({ pid: process.pid, port: null })).toBe(false);
  expect(await looksLikePostmaster({ pid: 2_147_483_647, port: null })).toBe(false);
});

describe('findInPasswd', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533::/:/none\npockity:x:990:991::/:/none\n';

  it('prefers the names in their order', () => {
    expect(findInPasswd(passwd, ['pockity', 'nobody'])).toEqual({ uid: 990, gid: 991 });
    expect(findInPasswd(passwd, ['absent', 'nobody'])).toEqual({ uid: 65534, gid: 65533 });
  });

  it('understands the negative ids of macOS', () => {
    expect(findInPasswd('nobody:*:-2:-2:::', ['nobody'])).toEqual({ uid: 4294967294, gid: 4294967294 });
  });

  it('gives nothing for nobody, and never root', () => {
    expect(findInPasswd(passwd, ['absent'])).toBeNull();
    expect(findInPasswd(passwd, ['root'])).toBeNull();
  });
});

it('findEmbeddedBinaries names DATABASE_URL where there are none', async () => {
  await expect(findEmbeddedBinaries('sunos', 'x64')).rejects.toThrow(
    /no embedded PostgreSQL for sunos-x64.*DATABASE_URL/,
  );
});

it.each([
  ['FATAL:  could not create any TCP/IP sockets', 'port-taken'],
  ['FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use', 'retry'],
  ['FATAL:  lock file "postmaster.pid" already exists', 'retry'],
  ['FATAL:  database files are incompatible with server', null],
])('outcomeOfLog of %s', (text, outcome) => {
  expect(outcomeOfLog(text)).toBe(outcome);
});

it('serverUrl escapes what a URL cannot hold', () => {
  const url = new URL(serverUrl(5432, 'p@s:s/w%', 'a b'));
  expect([decodeURIComponent(url.password), decodeURIComponent(url.pathname)]).toEqual(['p@s:s/w%', '/a b']);
});
