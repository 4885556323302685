import { fileURLToPath } from 'node:url';
import { type RequestHandler, Router } from 'express';

/** Made by `scripts/postinstall.mjs` out of the package @scalar/api-reference. */
const SCALAR_SCRIPT = fileURLToPath(new URL('../../public/scalar.js', import.meta.url));

const OPTIONS = {
  url: '/openapi.json',
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
};

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Pockity API</title>
  </head>
  <body>
    <div id="app"></div>
    <script src="/docs/scalar.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

/** Everything comes from this server: no CDN, no fonts, no telemetry. Scalar styles itself inline. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** `/docs`, the API reference, and `/openapi.json`, which it shows. */
export function docsRouter(openApi: Record<string, unknown>): Router {
  const document = JSON.stringify(openApi);
  const send =
    (type: string, body: string): RequestHandler =>
    (_req, res) => {
      res.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
      res.type(type).send(body);
    };
  return Router()
    .get('/openapi.json', send('application/json', document))
    .get('/docs', send('text/html', PAGE))
    .get('/docs/start.js', send('text/javascript', `Scalar.createApiReference('#app', ${JSON.stringify(OPTIONS)});\n`))
    .get('/docs/scalar.js', (_req, res) => {
      res.sendFile(SCALAR_SCRIPT, { headers: { 'Content-Type': 'text/javascript; charset=utf-8' }, maxAge: '1d' });
    });
}
