// Limit program: bare Express and one indexed SELECT by pg. What an authenticated read could cost at the least.
import express from 'express';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env['BENCH_DATABASE_URL'], max: 16 });
const statement = {
  name: 'bare_read',
  text: 'SELECT id, access_key_id, user_id, space_id, name FROM api_keys WHERE access_key_id = $1',
};
const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/usage', async (req, res) => {
  const { rows } = await pool.query({ ...statement, values: [req.headers['x-access-key-id']] });
  res.json({ success: true, data: rows[0] ?? null });
});
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }));
});
