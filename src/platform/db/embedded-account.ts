import { chown, readFile, stat } from 'node:fs/promises';
import { type Command, runCommand } from './run-command.ts';

/** Who runs the server, and what it takes to start a program as that user. */
export interface EmbeddedAccount {
  /** The owner that the server's files must have; null when that is simply this process's user. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  command(file: string, args: readonly string[]): Command;
  /** Gives a file or folder to the owner; does nothing when there is none. */
  own(path: string): Promise<void>;
}

/** The paths that the account must reach. `directory` must exist, `cluster` need not. */
export interface EmbeddedPaths {
  readonly postgres: string;
  readonly directory: string;
  readonly cluster: string;
}

/** The first of these that exists runs the server when this process is root, which PostgreSQL refuses. */
const ACCOUNT_NAMES = ['pockity', 'nobody'];

/** Either lets a process walk through folders that are closed to it; a container usually has only the second. */
const TRAVERSE_CAPABILITIES = [
  { name: 'dac_read_search', bit: 2n },
  { name: 'dac_override', bit: 1n },
];

/**
 * Chooses the user that runs the server. For an ordinary user: itself. For root: the owner of the data where there are
 * some, else `pockity` or `nobody`; where that user cannot walk to the data or to the binaries (below /root, say), the
 * server keeps one capability, to walk through closed folders, by util-linux `setpriv`.
 * @throws Error of one line that says what to do when the data belong to somebody else, or no user can be used
 */
export async function chooseEmbeddedAccount(paths: EmbeddedPaths): Promise<EmbeddedAccount> {
  const uid = process.geteuid?.();
  const existing = await stat(paths.cluster).catch(() => null);
  if (uid === undefined) return ownAccount();
  if (uid !== 0) {
    if (existing !== null && existing.uid !== uid) {
      throw new Error(
        `${paths.cluster} belongs to uid ${existing.uid}, and this process runs as uid ${uid}: ` +
          `run it as the same user as before (root, if it was root), or chown -R ${uid} ${paths.directory}`,
      );
    }
    return ownAccount();
  }
  const owner =
    existing !== null && existing.uid !== 0 ? { uid: existing.uid, gid: existing.gid } : await findAccount();
  // A copy that root made (cp -r, a restored backup) belongs to root, and the server would refuse it.
  if (existing?.uid === 0) await chownTree(paths.directory, owner);
  else
    await chown(paths.directory, owner.uid, owner.gid).catch((cause) => refuseChown(paths.directory, owner.uid, cause));
  return reachingAccount(owner, paths);
}

/** Finds the uid and gid of the first of `names` in the text of /etc/passwd, in the order of `names`. */
export function findInPasswd(passwd: string, names: readonly string[]): { uid: number; gid: number } | null {
  const lines = passwd.split('\n').map((line) => line.split(':'));
  for (const name of names) {
    const fields = lines.find((line) => line[0] === name);
    // macOS writes nobody as -2, which the kernel knows as an unsigned number.
    const [uid, gid] = [Number(fields?.[2]) >>> 0, Number(fields?.[3]) >>> 0];
    if (fields !== undefined && uid !== 0) return { uid, gid };
  }
  return null;
}

async function findAccount(): Promise<{ uid: number; gid: number }> {
  const account = findInPasswd(await readFile('/etc/passwd', 'utf8').catch(() => ''), ACCOUNT_NAMES);
  if (account !== null) return account;
  throw new Error(
    `PostgreSQL does not run as root and there is no user ${ACCOUNT_NAMES.join(' or ')}: ` +
      'run this as an ordinary user, or set DATABASE_URL',
  );
}

function ownAccount(): EmbeddedAccount {
  return { owner: null, command: (file, args) => ({ file, args }), own: async () => {} };
}

async function reachingAccount(owner: { uid: number; gid: number }, paths: EmbeddedPaths): Promise<EmbeddedAccount> {
  const own = (path: string) => chown(path, owner.uid, owner.gid);
  const plain: EmbeddedAccount = { owner, own, command: (file, args) => ({ file, args, ...owner }) };
  if (await reaches(plain, paths)) return plain;
  for (const capability of await heldCapabilities()) {
    const flags = setprivFlags(owner, capability);
    const account: EmbeddedAccount = {
      owner,
      own,
      command: (file, args) => ({ file: 'setpriv', args: [...flags, file, ...args] }),
    };
    if (await reaches(account, paths)) return account;
  }
  throw new Error(
    `PostgreSQL does not run as root, and uid ${owner.uid} cannot be used, or cannot reach ${paths.postgres} and ${paths.directory}: ` +
      'move both out of folders that only root may enter, run this as an ordinary user, or set DATABASE_URL',
  );
}

function setprivFlags(owner: { uid: number; gid: number }, capability: string): readonly string[] {
  return [
    `--reuid=${owner.uid}`,
    `--regid=${owner.gid}`,
    '--clear-groups',
    // Without it access(2), by which initdb looks for postgres, ignores the capabilities of a user who isn't root.
    '--securebits=+no_setuid_fixup',
    `--inh-caps=-all,+${capability}`,
    `--ambient-caps=-all,+${capability}`,
  ];
}

async function heldCapabilities(): Promise<readonly string[]> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return TRAVERSE_CAPABILITIES.filter(({ bit }) => (effective >> bit) & 1n).map(({ name }) => name);
}

/** Asks by trying, which sees modes, ACLs and mount options alike. */
async function reaches(account: EmbeddedAccount, paths: EmbeddedPaths): Promise<boolean> {
  const script = 'test -x "$1" && test -x "$2" && test -w "$2"';
  const command = account.command('/bin/sh', ['-c', script, 'sh', paths.postgres, paths.directory]);
  const result = await runCommand(command, '/').catch(() => null);
  return result?.code === 0;
}

async function chownTree(path: string, owner: { uid: number; gid: number }): Promise<void> {
  const result = await runCommand({ file: 'chown', args: ['-R', `${owner.uid}:${owner.gid}`, path] }, '/');
  if (result.code !== 0) refuseChown(path, owner.uid, new Error(result.output));
}

function refuseChown(path: string, uid: number, cause: Error): never {
  throw new Error(
    `PostgreSQL does not run as root, and ${path} cannot be given to uid ${uid} (${cause.message}): ` +
      'run this as an ordinary user, or set DATABASE_URL',
    { cause },
  );
}
