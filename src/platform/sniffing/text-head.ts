import type { Seen } from './seen.ts';

/** What text has none of: control characters but for tab, line ends, form feed, backspace and escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CONTROL = /[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f]/;
/** A whole tag name: `<a b>` begins HTML, `<abc` does not (WHATWG MIME Sniffing, section 7.1). */
const HTML = /^<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)(?=[\s/>])|^<!--/i;
const SVG = /<svg[\s>]/i;
const PHP = /^<\?(?:php\b|=)/i;
const SERVER_PAGE = /^<%[@=!\s]/;
const SCRIPT = /^#! ?\/|^@echo (?:off|on)\b/i;

/** Whether the head is such that all of it may be text: in UTF-8, in another 8-bit code, or in UTF-16 with its mark. */
export function isText(head: Buffer): boolean {
  return utf16Of(head) !== null || !CONTROL.test(head.toString('latin1'));
}

/** The markup or script that the head begins with, whatever follows it; byte order marks and white space before it do not hide it. */
export function markupOf(head: Buffer): Seen | null {
  const text = (utf16Of(head) ?? withoutMark(head).toString('latin1')).trimStart();
  if (text.startsWith('<')) {
    if (PHP.test(text)) return { kind: 'php', type: 'application/x-httpd-php' };
    if (SERVER_PAGE.test(text)) return { kind: 'script', type: 'text/plain' };
    const isXml = /^<\?xml\b/i.test(text);
    if (/^<svg[\s>]/i.test(text) || ((isXml || /^<!(?:doctype svg|--)/i.test(text)) && SVG.test(text))) {
      return { kind: 'svg', type: 'image/svg+xml' };
    }
    if (isXml) return { kind: 'xml', type: 'application/xml' };
    return HTML.test(text) ? { kind: 'html', type: 'text/html' } : null;
  }
  return SCRIPT.test(text) ? { kind: 'script', type: 'application/x-sh' } : null;
}

function withoutMark(head: Buffer): Buffer {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? head.subarray(3) : head;
}

/** null where it does not begin with a byte order mark of UTF-16, or is no text in it. */
function utf16Of(head: Buffer): string | null {
  const isLittle = head[0] === 0xff && head[1] === 0xfe;
  if (!isLittle && !(head[0] === 0xfe && head[1] === 0xff)) return null;
  const units = head.subarray(2, head.length - (head.length % 2));
  const text = (isLittle ? Buffer.from(units) : Buffer.from(units).swap16()).toString('utf16le');
  return CONTROL.test(text) ? null : text;
}
