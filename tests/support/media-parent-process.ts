// A process that has a file read and waits: to be killed in the middle. Arguments: folder, content type, PATH.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { mediaKindOf } from '../../src/platform/media/media-kinds.ts';
import { MediaWorker } from '../../src/platform/media/media-worker.ts';

const [folder = '', contentType = '', path = ''] = process.argv.slice(2);
const log = { debug: () => {}, warn: () => {} };
const worker = new MediaWorker({ log, temporaryDirectory: join(folder, 'work'), path, timeoutMs: 600_000 });
const content = join(folder, 'input');
const kind = mediaKindOf(contentType);
if (kind === null) throw new Error(`no media: ${contentType}`);
const { size: sizeBytes } = await stat(content);
await worker.process({ kind, contentType, sizeBytes, open: async () => createReadStream(content) });
