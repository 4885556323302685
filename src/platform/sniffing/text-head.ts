import type { Seen } from './seen.ts';
import { wideTextOf } from './wide-text.ts';

/** What text has none of: control characters but for tab, line ends, form feed, backspace and escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CONTROL = /[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x7f]/;
/** What shows nothing before the first sign: white space, byte order marks, characters that only steer others. */
const NOTHING = /^[\s\p{Cf}]+/u;
const TAGS =
  'a abbr address applet area article aside audio b base bgsound big blink blockquote body br button canvas center code col ' +
  'datalist dd del details dfn dialog dir div dl dt em embed fieldset figure font footer form frame frameset h1 h2 h3 h4 h5 ' +
  'h6 head header hr html i iframe image img input ins kbd keygen label legend li link listing main map mark marquee math ' +
  'menu meta meter nav nobr noscript object ol option p param picture plaintext pre progress q s samp script section select ' +
  'small source span strike strong style sub summary sup table tbody td template textarea tfoot th thead title tr track tt ' +
  'u ul var video wbr xmp';
/** A whole tag name: `<a b>` begins HTML, `<abc` does not (WHATWG MIME Sniffing, section 7.1); or any that carries a handler. */
const HTML = new RegExp(
  `^<(?:!doctype html|${TAGS.replaceAll(' ', '|')})(?=[\\s/>])|^<!--|^<[a-z][^<>]{0,200}[\\s/]on[a-z]+\\s*=`,
  'i',
);
const SVG = /<svg[\s>]/i;
const PHP = /^<\?(?:php\b|=)/i;
const SERVER_PAGE = /^<%[@=!\s]/;
const SCRIPT = /^#!\s*\/|^@echo (?:off|on)\b/i;

/** Whether the head is such that all of it may be text: in UTF-8, in another 8-bit code, or in UTF-16. */
export function isText(head: Buffer): boolean {
  return !CONTROL.test(wideTextOf(head) ?? head.toString('latin1'));
}

/** The markup or script that the head begins with, whatever follows it; byte order marks and what is invisible before it do not hide it. */
export function markupOf(head: Buffer): Seen | null {
  const text = (wideTextOf(head) ?? head.toString('utf8')).replace(NOTHING, '');
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
