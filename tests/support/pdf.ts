/** A PDF of these objects, numbered from 1; the first is its catalogue. Made by hand, as no writer makes broken ones. */
export function pdfOf(objects: readonly (string | Buffer)[], trailer = ''): Buffer {
  const parts: Buffer[] = [Buffer.from('%PDF-1.7\n')];
  const offsets: number[] = [];
  let at = parts[0]?.length ?? 0;
  const add = (part: string | Buffer) => {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
    parts.push(bytes);
    at += bytes.length;
  };
  for (const [i, object] of objects.entries()) {
    offsets.push(at);
    add(`${i + 1} 0 obj\n`);
    add(object);
    add('\nendobj\n');
  }
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  add(
    `xref\n0 ${size}\n0000000000 65535 f \n${table}trailer\n<< /Size ${size} /Root 1 0 R ${trailer} >>\nstartxref\n${at}\n%%EOF\n`,
  );
  return Buffer.concat(parts);
}

/** One stream, with what its dictionary says besides. */
export function pdfStream(content: string | Buffer, dictionary = ''): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([
    Buffer.from(`<< /Length ${bytes.length} ${dictionary} >>\nstream\n`),
    bytes,
    Buffer.from('\nendstream'),
  ]);
}

/** As many pages as there are contents, of this size, with a title and an author. */
export function pdfOfPages(contents: readonly string[], size: readonly [number, number] = [400, 200]): Buffer {
  const kids = contents.map((_, i) => `${4 + i * 2} 0 R`).join(' ');
  const pages = contents.flatMap((content, i) => [
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${size.join(' ')}] /Contents ${5 + i * 2} 0 R /Resources << >> >>`,
    pdfStream(content),
  ]);
  const catalogue = '<< /Type /Catalog /Pages 2 0 R >>';
  const info = '<< /Title (Three pages) /Author (J\\366rg) >>';
  return pdfOf(
    [catalogue, `<< /Type /Pages /Kids [${kids}] /Count ${contents.length} >>`, info, ...pages],
    '/Info 3 0 R',
  );
}
