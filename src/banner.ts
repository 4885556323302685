import type { Config } from './config/env.ts';

export interface BannerFacts {
  readonly config: Config;
  readonly port: number;
  readonly version: string;
  /** Of the admin that this start has created; shown this once. */
  readonly adminPassword: string | null;
}

/** What a person who has just started the service wants to know; for the terminal, beside the JSON log. */
export function banner({ config, port, version, adminPassword }: BannerFacts): string {
  const origin = config.http.publicUrl ?? `http://localhost:${port}`;
  const admin =
    adminPassword === null
      ? `${config.admin.email} (created before, or its password given by ADMIN_PASSWORD)`
      : `${config.admin.email}  password: ${adminPassword}   <- shown this once`;
  const mail = config.mail.kind === 'outbox' ? `${config.mail.directory}/*.eml` : 'by SMTP';
  const store = config.objectStore.kind === 'disk' ? config.objectStore.directory : `s3://${config.objectStore.bucket}`;
  const lines = [
    `Pockity ${version}`,
    '',
    `  API       ${origin}/api`,
    `  Docs      ${origin}/docs`,
    `  Admin     ${admin}`,
    `  Mail      ${mail}`,
    `  Database  ${config.databaseUrl ? 'DATABASE_URL' : `embedded, ${config.dataDirectory}/postgres`}`,
    `  Objects   ${store}`,
    '',
    '  Try it (the whole way is in README.md; `npm run demo` walks it):',
    `    curl ${origin}/health`,
    `    curl -X POST ${origin}/api/auth/register -H 'content-type: application/json' \\`,
    `      -d '{"email":"you@example.com","password":"correct horse battery"}'`,
  ];
  if (config.mail.kind === 'outbox') lines.push(`    grep -h 'Your code' ${config.mail.directory}/*.eml`);
  return `\n${lines.join('\n')}\n\n`;
}
