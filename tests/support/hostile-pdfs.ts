import { randomBytes } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import type { Hostile } from './hostile-images.ts';
import { pdfOf, pdfOfPages, pdfStream } from './pdf.ts';

const MIB = 1024 * 1024;
const CATALOGUE = '<< /Type /Catalog /Pages 2 0 R >>';
const PAGES = '<< /Type /Pages /Kids [3 0 R] /Count 1 >>';

function pdfPage(rest: string, ...more: (string | Buffer)[]): Buffer {
  return pdfOf([CATALOGUE, PAGES, `<< /Type /Page /Parent 2 0 R ${rest} >>`, ...more]);
}

/** Each form draws the next ten times. */
function pdfLaughs(): Buffer {
  const names = Array.from({ length: 20 }, (_, i) => `/X${i} Do`).join(' ');
  const form = (next: number) => {
    const all = Array.from({ length: 20 }, (_, i) => `/X${i} ${next} 0 R`).join(' ');
    return pdfStream(names, `/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << ${all} >> >>`);
  };
  const first = Array.from({ length: 20 }, (_, i) => `/X${i} 5 0 R`).join(' ');
  const rest = `/MediaBox [0 0 9 9] /Contents 4 0 R /Resources << /XObject << ${first} >> >>`;
  const last = pdfStream('0 0 9 9 re f', '/Type /XObject /Subtype /Form /BBox [0 0 9 9]');
  return pdfPage(rest, pdfStream(names), ...Array.from({ length: 8 }, (_, i) => form(6 + i)), last);
}

/** Half a gibibyte of drawing, packed twice. */
function pdfPacked(): Buffer {
  const packed = deflateSync(deflateSync(Buffer.alloc(512 * MIB, '0 0 9 9 re f\n'), { level: 1 }));
  return pdfPage('/MediaBox [0 0 9 9] /Contents 4 0 R', pdfStream(packed, '/Filter [/FlateDecode /FlateDecode]'));
}

/** A shading that computes for every pixel what takes a thousand steps. */
function pdfShading(): Buffer {
  const program = pdfStream(
    `{ add ${'dup mul '.repeat(20_000)} dup dup }`,
    '/FunctionType 4 /Domain [0 1 0 1] /Range [0 1 0 1 0 1]',
  );
  const shading =
    '<< /ShadingType 1 /ColorSpace /DeviceRGB /Domain [0 1 0 1] /Matrix [900 0 0 900 0 0] /Function 5 0 R >>';
  const rest = `/MediaBox [0 0 900 900] /Contents 4 0 R /Resources << /Shading << /S ${shading} >> >>`;
  return pdfPage(rest, pdfStream('/S sh'), program);
}

function pdfDeep(): Buffer {
  const depth = 50_000;
  const nodes = Array.from({ length: depth }, (_, i) => `<< /Type /Pages /Kids [${i + 3} 0 R] /Count 1 >>`);
  return pdfOf([CATALOGUE, ...nodes, '<< /Type /Page /MediaBox [0 0 9 9] >>']);
}

export const HOSTILE_PDFS: readonly Hostile[] = [
  [
    'a PDF whose page tree goes round',
    'application/pdf',
    () => pdfOf([CATALOGUE, '<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>']),
    ['broken'],
  ],
  ['a PDF with a page tree of 50,000 levels', 'application/pdf', pdfDeep, ['broken', 'memory']],
  ['a PDF page of 700 metres', 'application/pdf', () => pdfOfPages([''], [2e6, 2e6]), ['too_many_pixels', 'broken']],
  ['a PDF of drawing in drawing', 'application/pdf', pdfLaughs, ['timeout', 'memory']],
  ['a PDF of 512 MiB, packed twice', 'application/pdf', pdfPacked, ['timeout', 'memory', 'broken']],
  ['a PDF that computes', 'application/pdf', pdfShading, ['timeout']],
  ['a PDF, cut off', 'application/pdf', () => pdfOfPages(['0 0 9 9 re f']).subarray(0, 100), ['broken']],
  [
    'a PDF with a password',
    'application/pdf',
    () => pdfOf([CATALOGUE, PAGES, '<< /Type /Page /MediaBox [0 0 9 9] >>'], '/Encrypt << /Filter /Strange /V 9 >>'),
    ['unsupported', 'broken'],
  ],
  ['random bytes', 'application/pdf', () => randomBytes(100_000), ['broken']],
];
