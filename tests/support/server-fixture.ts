import { afterAll, beforeAll, beforeEach } from 'vitest';
import { ServerPlace } from './server-place.ts';
import type { ServerProcess } from './server-process.ts';

/** What a test file shares: a place and, unless told otherwise, one service that runs on it. */
export interface ServiceFixture {
  readonly place: ServerPlace;
  /** The service that was started first. */
  readonly server: ServerProcess;
  readonly baseUrl: string;
}

/** How the shared service is started. */
export interface ServiceFixtureOptions {
  /** Further environment, also asked for when it has to be found out first. */
  readonly env?: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  /** false: only the place; the tests start what they need. */
  readonly start?: boolean;
}

/** Registers the hooks that give a test file its own place and service, print the log of a failed test, and clean up. */
export function useService(options: ServiceFixtureOptions = {}): ServiceFixture {
  let opened: ServerPlace | null = null;
  const place = () => {
    if (!opened) throw new Error('the place exists only while tests run');
    return opened;
  };
  const server = () => {
    const [first] = place().servers;
    if (!first) throw new Error('no service was started');
    return first;
  };

  beforeAll(async () => {
    opened = await ServerPlace.open();
    if (options.start !== false) await opened.start(await options.env?.());
  });
  beforeEach(({ onTestFailed }) => {
    onTestFailed(() => {
      for (const { pid, exited, logTail } of place().servers.map(describeServer)) {
        process.stderr.write(`--- service ${pid}${exited ? ' (ended)' : ''} ---\n${logTail}\n`);
      }
    });
  });
  afterAll(async () => opened?.close());

  return {
    get place() {
      return place();
    },
    get server() {
      return server();
    },
    get baseUrl() {
      return server().baseUrl;
    },
  };
}

function describeServer(server: ServerProcess) {
  return { pid: server.pid, exited: server.exited, logTail: server.logTail() };
}
