import { type S3Server, startS3Server } from './s3-server.ts';

let server: S3Server | null = null;

/** Vitest's globalSetup: one S3 server for the run, where one is installed; test files find it by these variables. */
export async function setup(): Promise<void> {
  server = await startS3Server();
  if (!server) return;
  process.env['POCKITY_TEST_S3_ENDPOINT'] = server.endpoint;
  process.env['POCKITY_TEST_S3_ACCESS_KEY_ID'] = server.accessKeyId;
  process.env['POCKITY_TEST_S3_SECRET_ACCESS_KEY'] = server.secretAccessKey;
}

/** Vitest's globalSetup, at the end of the run. */
export async function teardown(): Promise<void> {
  await server?.stop();
}
