// Limit program: bare Express that writes the body to a file with fsync and runs one statement of UPDATE and INSERT.
import { randomUUID } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import express from 'express';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env['BENCH_DATABASE_URL'], max: 16 });
const directory = process.env['BENCH_DIRECTORY'] ?? '.';
await pool.query('CREATE TABLE IF NOT EXISTS bench_counter (id int PRIMARY KEY, bytes bigint NOT NULL)');
await pool.query(
  'CREATE TABLE IF NOT EXISTS bench_file (id uuid PRIMARY KEY, name text NOT NULL, bytes bigint NOT NULL)',
);
await pool.query('INSERT INTO bench_counter VALUES (1, 0) ON CONFLICT DO NOTHING');
const statement = {
  name: 'bare_upload',
  text: `WITH counted AS (UPDATE bench_counter SET bytes = bytes + $3 WHERE id = 1 RETURNING id)
    INSERT INTO bench_file (id, name, bytes) SELECT $1, $2, $3 FROM counted`,
};
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.post('/upload', async (req, res) => {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const id = randomUUID();
  const file = await open(join(directory, id), 'wx');
  await file.writeFile(body);
  await file.sync();
  await file.close();
  await pool.query({ ...statement, values: [id, id, body.length] });
  res.status(201).json({ success: true, data: { id } });
});
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }));
});
