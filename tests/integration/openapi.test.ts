import { readFileSync } from 'node:fs';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ERROR_CODES } from '../../src/errors/codes.ts';
import { errorsOf } from '../../src/http/openapi.ts';
import { startTestApp, type TestApp } from '../support/app.ts';

interface Parameter {
  readonly name: string;
  readonly description?: string;
  readonly schema: { readonly description?: string; readonly example?: unknown; readonly examples?: unknown[] };
}

interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly summary?: string;
  readonly description?: string;
  readonly requestBody?: { readonly content: Record<string, { readonly schema: object; readonly example?: unknown }> };
  readonly responses: Record<
    string,
    { readonly description: string; readonly content?: Record<string, { readonly example?: unknown }> }
  >;
}

let testApp: TestApp;
let document: { readonly openapi: string; readonly paths: Record<string, Record<string, Operation>> };

beforeAll(async () => {
  testApp = await startTestApp();
  document = (await supertest(testApp.app).get('/openapi.json')).body;
});
afterAll(() => testApp.close());

function operations(): [string, Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}

describe('the OpenAPI document', () => {
  it('is 3.1 and lists every route that the router has, and no other', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const declared = testApp.composition.routes.map(
      ({ method, path, root }) => `${method.toUpperCase()} ${root ? '' : '/api'}${path.replaceAll(/:(\w+)/g, '{$1}')}`,
    );
    expect(
      operations()
        .map(([name]) => name)
        .sort(),
    ).toEqual(declared.sort());
  });

  it('says of every operation what it does, with an example of each success and of each body', () => {
    for (const [name, { summary, description, responses, requestBody }] of operations()) {
      expect(summary, name).toBeTruthy();
      expect(description, name).toBeTruthy();
      for (const [status, response] of Object.entries(responses).filter(([code]) => code.startsWith('2'))) {
        for (const [type, { example }] of Object.entries(response.content ?? {})) {
          expect(example, `${name} ${status} ${type}`).toBeTruthy();
        }
      }
      const body = requestBody?.content['application/json'];
      if (body) expect(body.example, name).toBeTruthy();
    }
  });

  it('says of every parameter what it is, with an example', () => {
    for (const [name, { parameters = [] }] of operations()) {
      for (const { name: parameter, description, schema } of parameters) {
        expect(description ?? schema.description, `${name} ${parameter}`).toBeTruthy();
        expect(schema.example ?? schema.examples?.[0], `${name} ${parameter}`).toBeDefined();
      }
    }
  });

  it('has examples of bodies that the schemas of the bodies take', () => {
    for (const { operationId, body, bodyExample } of testApp.composition.routes) {
      if (!body) continue;
      const verdict = body.safeParse(bodyExample);
      expect(verdict.success ? [] : verdict.error.issues, operationId).toEqual([]);
    }
  });

  it('has examples that the schemas of the answers take, data and meta', () => {
    for (const { operationId, success = {}, root, path, method } of testApp.composition.routes) {
      const name = `${method.toUpperCase()} ${root ? '' : '/api'}${path.replaceAll(/:(\w+)/g, '{$1}')}`;
      for (const [status, { data, meta }] of Object.entries(success)) {
        const shown = new Map(operations()).get(name)?.responses[status]?.content?.['application/json']?.example as {
          data: unknown;
          meta: unknown;
        };
        for (const verdict of [data.safeParse(shown.data), (meta ?? z.null()).safeParse(shown.meta)]) {
          expect(verdict.success ? [] : verdict.error.issues, operationId).toEqual([]);
        }
      }
    }
  });

  it('has an answer for each status of the errors that a route can give', () => {
    for (const route of testApp.composition.routes) {
      const name = `${route.method.toUpperCase()} ${route.root ? '' : '/api'}${route.path.replaceAll(/:(\w+)/g, '{$1}')}`;
      const operation = new Map(operations()).get(name);
      const statuses = new Set(errorsOf(route).map((code) => String(ERROR_CODES[code].status)));
      for (const status of statuses) expect(operation?.responses, name).toHaveProperty(status);
    }
  });

  it('refuses unknown fields in every JSON body', () => {
    for (const [name, { requestBody }] of operations()) {
      const schema = requestBody?.content['application/json']?.schema;
      if (schema) expect(JSON.stringify(schema), name).toContain('"additionalProperties":false');
    }
  });

  it('is what the Postman collection was made of', () => {
    interface Item {
      readonly item?: Item[];
      readonly request?: { readonly method: string; readonly url: { readonly path: string[] } };
    }
    const flatten = ({ item = [], request }: Item): string[] => [
      ...(request ? [`${request.method} /${request.url.path.join('/').replaceAll(/:(\w+)/g, '{$1}')}`] : []),
      ...item.flatMap(flatten),
    ];
    const file = new URL('../../docs/pockity.postman_collection.json', import.meta.url);
    const requests = flatten(JSON.parse(readFileSync(file, 'utf8')) as Item);
    expect(requests.toSorted()).toEqual(
      operations()
        .map(([name]) => name)
        .toSorted(),
    );
  });

  it('is the one in docs/', () => {
    const kept = JSON.parse(
      readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'),
    ) as typeof document;
    expect(Object.keys(kept.paths)).toEqual(Object.keys(document.paths));
  });

  it('is shown by a page that needs nothing from elsewhere', async () => {
    const page = await supertest(testApp.app).get('/docs').expect(200);
    expect(page.text).not.toMatch(/https?:\/\//);
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    await supertest(testApp.app)
      .get('/docs/scalar.js')
      .expect(200)
      .expect('content-type', /javascript; charset=utf-8/);
  });
});
