// After `npm ci`: generates the Prisma client and lays the API reference's script where the service serves it from.
// Both come from devDependencies. Without those (production image) there is nothing to do: the image copies the results.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const require = createRequire(join(root, 'package.json'));

function resolveOrNull(name) {
  try {
    return require.resolve(name);
  } catch {
    return null;
  }
}

const prismaPackage = resolveOrNull('prisma/package.json');
if (prismaPackage) {
  const { bin } = require('prisma/package.json');
  execFileSync(process.execPath, [join(dirname(prismaPackage), bin.prisma ?? bin), 'generate'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      // Generating needs no engine, but Prisma would download one: any program that exists keeps it from doing so.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
    },
  });
}

const scalar = join(root, 'node_modules/@scalar/api-reference/dist/browser/standalone.js');
if (existsSync(scalar)) {
  mkdirSync(join(root, 'public'), { recursive: true });
  copyFileSync(scalar, join(root, 'public/scalar.js'));
}
