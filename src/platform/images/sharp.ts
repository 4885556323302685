/** The formats that libvips may read here; of its many decoders no other is left. */
type ImageFormat = 'Jpeg' | 'Png' | 'Webp' | 'Nsgif' | 'Tiff' | 'Heif';

/**
 * sharp with nothing but these decoders, from memory or from files. Only where it is used: libvips takes some 20 MiB. Once
 * in a process: blocking again would fail an image that is under way.
 */
export async function openSharp(formats: readonly ImageFormat[], from: 'Buffer' | 'File') {
  const { default: sharp } = await import('sharp');
  sharp.cache(false);
  sharp.concurrency(1);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: formats.map((format) => `VipsForeignLoad${format}${from}`) });
  return sharp;
}
