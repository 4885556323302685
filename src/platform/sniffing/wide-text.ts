interface WideCode {
  readonly bytes: 2 | 4;
  readonly isLittle: boolean;
}

/** The head as text where it is in UTF-16 or UTF-32 by its mark, or, without one, begins with two characters of ASCII in it. */
export function wideTextOf(head: Buffer): string | null {
  const code = codeOf(head);
  if (code === null) return null;
  let text = '';
  for (let at = 0; at + code.bytes <= head.length; at += code.bytes) {
    const unit = code.isLittle ? head.readUIntLE(at, code.bytes) : head.readUIntBE(at, code.bytes);
    text += unit <= 0xffff ? String.fromCharCode(unit) : '\ufffd';
  }
  return text;
}

function codeOf(head: Buffer): WideCode | null {
  const [first, second, third, fourth] = head;
  if (first === 0xff && second === 0xfe) return { bytes: third === 0 && fourth === 0 ? 4 : 2, isLittle: true };
  if (first === 0xfe && second === 0xff) return { bytes: 2, isLittle: false };
  if (first === 0 && second === 0 && third === 0xfe && fourth === 0xff) return { bytes: 4, isLittle: false };
  const zeros = [...head.subarray(0, 8)].map((byte) => (byte === 0 ? '0' : 'x')).join('');
  if (zeros === 'x000x000') return { bytes: 4, isLittle: true };
  if (zeros === '000x000x') return { bytes: 4, isLittle: false };
  if (zeros.startsWith('x0x0')) return { bytes: 2, isLittle: true };
  return zeros.startsWith('0x0x') ? { bytes: 2, isLittle: false } : null;
}
