import express from 'express';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors/app-error.ts';
import { errorHandler } from '../../src/http/error-handler.ts';
import { requestLog } from '../../src/http/request-log.ts';
import { HasherBusyError } from '../../src/platform/crypto/password-hasher.ts';
import { createLoggers } from '../../src/platform/logging/logger.ts';
import { StoreFullError, StoreUnavailableError } from '../../src/platform/object-store/errors.ts';
import { startTestApp, type TestApp } from '../support/app.ts';

let testApp: TestApp;
beforeAll(async () => {
  testApp = await startTestApp({ environment: { CORS_ORIGINS: 'https://app.example.com' } });
});
afterAll(() => testApp.close());

describe('every answer', () => {
  it('names the request, with the client’s own id where it is well-formed', async () => {
    const own = await supertest(testApp.app).get('/health').set('x-request-id', 'my-id_1.2');
    expect(own.headers['x-request-id']).toBe('my-id_1.2');
    for (const bad of ['has space', 'x'.repeat(65), 'a/b']) {
      const { headers } = await supertest(testApp.app).get('/health').set('x-request-id', bad);
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it('has the failure envelope for an unknown path, and the id in it', async () => {
    const { body, headers, status } = await supertest(testApp.app).get('/api/nowhere');
    expect(status).toBe(404);
    expect(body).toEqual({
      success: false,
      message: 'There is no such endpoint',
      error: {
        code: 'ROUTE_NOT_FOUND',
        details: { method: 'GET', path: '/api/nowhere' },
        httpStatusCode: 404,
        requestId: headers['x-request-id'],
      },
    });
  });

  it('answers a known path with a wrong method by 405 and Allow', async () => {
    const { body, headers } = await supertest(testApp.app).put('/api/storage/usage').expect(405);
    expect(headers['allow']).toBe('GET, HEAD');
    expect(body.error).toMatchObject({ code: 'METHOD_NOT_ALLOWED', details: { allow: ['GET', 'HEAD'] } });
  });

  it('is the same under /api/v1', async () => {
    await supertest(testApp.app).get('/api/v1/open/health').expect(200);
    await supertest(testApp.app).get('/api/v1/storage/usage').expect(401);
  });

  it('carries security headers and tells nothing of the framework', async () => {
    const { headers } = await supertest(testApp.app).get('/health');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN' });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers).not.toHaveProperty('x-powered-by');
  });

  it('lets in the origins that are configured and no other', async () => {
    const allowed = await supertest(testApp.app)
      .options('/api/storage/usage')
      .set('origin', 'https://app.example.com')
      .set('access-control-request-method', 'GET');
    expect(allowed.headers['access-control-allow-origin']).toBe('https://app.example.com');
    const other = await supertest(testApp.app).get('/health').set('origin', 'https://evil.example.com');
    expect(other.headers['access-control-allow-origin']).not.toBe('https://evil.example.com');
    expect(other.headers['access-control-allow-origin']).not.toBe('*');
  });

  it.each(['%E0%A4%A', '%', '%zz'])('answers the broken path %j by 400 and nothing worse', async (path) => {
    const { body } = await supertest(testApp.app)
      .get(`/api/storage/files/${path}`)
      .set('x-access-key-id', 'a')
      .set('x-secret-key', 'b')
      .expect(400);
    expect(body.error.code).toBe('VALIDATION_FAILED');
  });

  it('is ready while its dependencies answer, and not while it stops', async () => {
    await supertest(testApp.app).get('/readyz').expect(200);
    testApp.composition.readiness.drain();
    const { headers, body } = await supertest(testApp.app).get('/readyz').expect(503);
    expect(headers['retry-after']).toBe('2');
    expect(body.error).toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE', details: { draining: true } });
    const { headers: health } = await supertest(testApp.app).get('/health').expect(200);
    expect(health['connection']).toBe('close');
  });
});

describe('the error handler', () => {
  const secret = 'a provider’s text with password=hunter2';
  const cases: [string, Error, number, string][] = [
    ['an unknown error', new Error(secret), 500, 'INTERNAL'],
    ['a store that is away', new StoreUnavailableError(secret), 503, 'DEPENDENCY_UNAVAILABLE'],
    ['a store that is full', new StoreFullError(secret), 507, 'STORAGE_FULL'],
    ['too many hashes', new HasherBusyError(secret), 503, 'DEPENDENCY_UNAVAILABLE'],
    [
      'a database that is away',
      Object.assign(new Error(secret), { code: 'ECONNREFUSED' }),
      503,
      'DEPENDENCY_UNAVAILABLE',
    ],
    ['a database that shuts down', Object.assign(new Error(secret), { code: '57P01' }), 503, 'DEPENDENCY_UNAVAILABLE'],
    ['a database without room', Object.assign(new Error(secret), { code: '53100' }), 507, 'STORAGE_FULL'],
    ['an error of ours', new AppError('FILE_NOT_FOUND'), 404, 'FILE_NOT_FOUND'],
  ];

  it.each(cases)(
    'turns %s into its status, tells the client no more, and logs a 5xx once',
    async (_name, error, status, code) => {
      const lines: string[] = [];
      const { requestLog: log } = createLoggers('info', { write: (line) => void lines.push(line) });
      const app = express()
        .use(requestLog(log))
        .get('/', () => {
          throw error;
        })
        .use(errorHandler);
      const response = await supertest(app).get('/');
      expect(response.status).toBe(status);
      expect(response.body.error).toMatchObject({
        code,
        httpStatusCode: status,
        requestId: response.headers['x-request-id'],
      });
      expect(response.text).not.toContain('hunter2');
      expect(response.headers['retry-after']).toBe(status === 503 ? '2' : undefined);
      expect(lines).toHaveLength(1);
      const line = JSON.parse(lines[0] ?? '{}');
      expect(line).toMatchObject({ requestId: response.headers['x-request-id'], status, method: 'GET', path: '/' });
      if (error instanceof HasherBusyError) expect(line).not.toHaveProperty('err');
      else if (status >= 500) expect(line.err.cause.message).toBe(secret);
      else expect(line).not.toHaveProperty('err');
    },
  );
});
