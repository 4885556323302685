// After a test run with CI=true: fails when any test was skipped or left to do, and prints the closing count.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
}

const path = join(import.meta.dirname, '../coverage/test-report.json');
const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`);
process.exit(skipped > 0 || report.numFailedTests > 0 || report.numPassedTests === 0 ? 1 : 0);
