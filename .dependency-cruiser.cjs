// The nine boundaries of the house style, held by a lint. Each rule's comment says why.
const feature = '^src/features/([^/]+)/';

module.exports = {
  forbidden: [
    {
      name: '1-feature-through-its-index',
      comment: 'A feature reaches another only through its index.ts.',
      severity: 'error',
      from: { path: feature },
      to: { path: feature, pathNot: ['^src/features/$1/', '^src/features/[^/]+/index\\.ts$'] },
    },
    {
      name: '1-feature-from-outside-through-its-index',
      comment: 'Whatever stands outside the features reaches one only through its index.ts (unit tests stand inside).',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/features/' },
      to: { path: feature, pathNot: '^src/features/[^/]+/index\\.ts$' },
    },
    {
      name: '2-prisma-only-in-repositories',
      comment: 'The Prisma client and the pool appear only in repositories and platform/db.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['\\.repository\\.ts$', '^src/platform/db/'] },
      to: { path: ['^src/platform/db/generated/', 'node_modules/(@prisma|pg)/'] },
    },
    {
      name: '3-express-only-at-the-edge',
      comment: 'Services know nothing of HTTP.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/http/', '\\.router\\.ts$', '^src/protocols/', '^src/app\\.ts$'] },
      to: { path: 'node_modules/(@types/)?(express|multer|helmet|cors)/' },
    },
    {
      name: '4-routers-not-repositories',
      comment: 'Rules live in services; a router that reaches SQL has gone round them.',
      severity: 'error',
      from: { path: '\\.router\\.ts$' },
      to: { path: '\\.repository\\.ts$' },
    },
    {
      name: '4-services-not-presentation',
      comment: 'Services never import schemas, presenters, routers or the HTTP layer.',
      severity: 'error',
      from: { path: '\\.service\\.ts$' },
      to: { path: ['\\.(schemas|presenter|router)\\.ts$', '^src/http/'] },
    },
    {
      name: '5-platform-knows-no-feature',
      comment: 'platform/ and errors/ import no feature.',
      severity: 'error',
      from: { path: '^src/(platform|errors)/' },
      to: { path: '^src/(features|http|protocols)/' },
    },
    {
      name: '6-aws-sdk-only-in-object-store',
      comment: 'One place talks to S3.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/platform/object-store/' },
      to: { path: 'node_modules/(@aws-sdk|@smithy)/' },
    },
    {
      name: '7-config-is-read-once',
      comment: 'process.env is read only in config/ (held by scripts/check-process-env.ts, as it is no import).',
      severity: 'error',
      from: { path: '^src/(features|platform|errors)/' },
      to: { path: '^src/config/env\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    { name: '8-no-cycle', comment: 'No cycle.', severity: 'error', from: {}, to: { circular: true } },
    {
      name: '9-acceptance-is-outside',
      comment: 'Acceptance tests see the product as a client does.',
      severity: 'error',
      from: { path: '^tests/acceptance/' },
      to: { path: '^src/' },
    },
    {
      name: 'no-dev-dependency-in-src',
      comment: 'What runs in production must be installed there.',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'resolvable',
      comment: 'An import must resolve.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/platform/db/generated/.*/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
