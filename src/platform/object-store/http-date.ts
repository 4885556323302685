const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = `(?<month>${MONTHS.join('|')})`;
const TIME = '(?<time>\\d{2}:\\d{2}:\\d{2})';
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
/** IMF-fixdate, RFC 850 and asctime: a recipient must take all three (RFC 9110 section 5.6.7). */
const FORMS = [
  new RegExp(`^${DAY}, (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
];

/** An HTTP-date in milliseconds since 1970, or null where it is none: `Date.parse` sees dates in `1` and in local times. */
export function parseHttpDate(text: string | undefined): number | null {
  for (const form of FORMS) {
    const { day, month, year, time } = form.exec(text?.trim() ?? '')?.groups ?? {};
    if (day === undefined || month === undefined || year === undefined || time === undefined) continue;
    const parsed = Date.parse(`${day} ${month} ${fullYear(year)} ${time} GMT`);
    return Number.isNaN(parsed) ? null : parsed;
  }
  return null;
}

/** Two digits, as POSIX reads them: no file here is older than 1970. */
function fullYear(year: string): number {
  if (year.length === 4) return Number(year);
  return Number(year) + (Number(year) < 70 ? 2000 : 1900);
}
