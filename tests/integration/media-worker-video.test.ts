import { randomBytes } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MediaBench } from '../support/media.ts';

const PICTURE = ['-f', 'lavfi', '-i', 'color=red:size=640x360:rate=10:duration=2'];
const SOUND = ['-f', 'lavfi', '-i', 'sine=duration=3'];
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];

let bench: MediaBench;
let mp4: Buffer;
beforeAll(async () => {
  bench = await MediaBench.start();
  mp4 = await bench.ffmpeg(
    'a.mp4',
    ...PICTURE,
    ...SOUND,
    ...H264,
    '-c:a',
    'aac',
    '-metadata',
    'title=Hello',
    '-shortest',
  );
});
afterAll(() => bench.stop());
afterEach(async () => expect(await bench.leftovers()).toEqual([]));

async function colourOf(webp: Buffer | undefined): Promise<number[]> {
  return (await sharp(webp).stats()).channels.map(({ mean }) => Math.round(mean / 64));
}

describe('a video', () => {
  it('has its length, size and codecs read, and thumbnails of a frame', async () => {
    const { metadata, thumbnails } = await bench.read(mp4, 'video/mp4');
    expect(metadata).toMatchObject({ width: 640, height: 360, frameRate: 10, videoCodec: 'h264', audioCodec: 'aac' });
    expect(metadata).toMatchObject({ durationSeconds: expect.closeTo(2, 0), title: 'Hello' });
    expect(thumbnails.map(({ width, height }) => [width, height])).toEqual([
      [640, 360],
      [512, 288],
      [256, 144],
    ]);
    expect(await colourOf(thumbnails[0]?.webp)).toEqual([4, 0, 0]);
  });

  it.each([
    ['video/webm', 'a.webm', ['-c:v', 'libvpx', '-deadline', 'realtime'], 'vp8'],
    ['video/x-matroska', 'a.mkv', H264, 'h264'],
    ['video/quicktime', 'a.mov', ['-c:v', 'mjpeg'], 'mjpeg'],
    ['video/x-msvideo', 'a.avi', ['-c:v', 'mpeg4'], 'mpeg4'],
    ['video/ogg', 'a.ogv', ['-c:v', 'libtheora'], 'theora'],
  ])('may be %s', async (type, name, codec, videoCodec) => {
    const { metadata, thumbnails } = await bench.read(await bench.ffmpeg(name, ...PICTURE, ...codec), type);
    expect(metadata).toMatchObject({ width: 640, height: 360, videoCodec });
    expect(thumbnails).toHaveLength(3);
  });

  it('is upright', async () => {
    const plain = await bench.ffmpeg('plain.mp4', ...PICTURE, ...H264);
    expect(plain.length).toBeGreaterThan(0);
    const input = ['-display_rotation', '90'];
    const old = ['-i', `${bench.folder}/plain.mp4`, '-c', 'copy', '-metadata:s:v', 'rotate=90'];
    const turned = await bench
      .ffmpeg('turned.mp4', ...input, '-i', `${bench.folder}/plain.mp4`, '-c', 'copy')
      .catch(() => bench.ffmpeg('turned.mp4', ...old));
    const { metadata, thumbnails } = await bench.read(turned, 'video/mp4');
    expect(metadata).toMatchObject({ width: 360, height: 640 });
    expect(thumbnails[0]).toMatchObject({ width: 360, height: 640 });
  });
});

describe('a sound', () => {
  it.each([
    ['audio/mpeg', 'a.mp3', 'mp3'],
    ['audio/ogg', 'a.ogg', 'vorbis'],
    ['audio/flac', 'a.flac', 'flac'],
    ['audio/wav', 'a.wav', 'pcm_s16le'],
    ['audio/aac', 'a.aac', 'aac'],
    ['audio/mp4', 'a.m4a', 'aac'],
  ])('has its length and codec read: %s', async (type, name, audioCodec) => {
    const { metadata, thumbnails } = await bench.read(await bench.ffmpeg(name, ...SOUND), type);
    expect(metadata).toMatchObject({ audioCodec, durationSeconds: expect.closeTo(3, 0) });
    expect(thumbnails).toEqual([]);
  });

  it('has thumbnails of its cover', async () => {
    await bench.ffmpeg('cover.png', ...PICTURE, '-frames:v', '1');
    const cover = ['-i', `${bench.folder}/cover.png`, '-map', '0:a', '-map', '1:v', '-disposition:v', 'attached_pic'];
    const song = await bench.ffmpeg('b.mp3', ...SOUND, ...cover, '-metadata', 'artist=Ann', '-metadata', 'album=One');
    const { metadata, thumbnails } = await bench.read(song, 'audio/mpeg');
    expect(metadata).toMatchObject({ author: 'Ann', album: 'One', audioCodec: 'mp3' });
    expect(metadata.videoCodec).toBeUndefined();
    expect(await colourOf(thumbnails[0]?.webp)).toEqual([4, 0, 0]);
  });
});

describe('a hostile video', () => {
  /** With what stands behind a mark overwritten. */
  const patched = (mark: string, skip: number, bytes: Buffer) => {
    const copy = Buffer.from(mp4);
    copy.set(bytes, copy.indexOf(mark, 0, 'latin1') + skip);
    return copy;
  };

  it.each([
    ['a playlist', 'video/mp4', () => Buffer.from('#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n')],
    ['a list of files', 'video/mp4', () => Buffer.from("ffconcat version 1.0\nfile 'file:///etc/passwd'\n")],
    ['a playlist that says it is a sound', 'audio/mpeg', () => Buffer.from('#EXTM3U\nhttp://127.0.0.1:1/a\n')],
    ['an SDP', 'video/webm', () => Buffer.from('v=0\nm=video 1 RTP/AVP 96\nc=IN IP4 127.0.0.1\n')],
    ['an MP4, cut off', 'video/mp4', () => mp4.subarray(0, mp4.indexOf('moov') - 20)],
    ['an MP4 without tracks', 'video/mp4', () => mp4.subarray(0, 32)],
    ['an MP4 that is called WebM', 'video/webm', () => mp4],
    ['random bytes as MP4', 'video/mp4', () => randomBytes(100_000)],
    ['random bytes as WebM', 'video/webm', () => randomBytes(100_000)],
    ['random bytes as FLAC', 'audio/flac', () => randomBytes(100_000)],
    [
      'a picture as MP4',
      'video/mp4',
      () =>
        sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
          .png()
          .toBuffer(),
    ],
  ])('is refused: %s', async (_what, type, make) => {
    const refusal = await bench.refusal(await make(), type);
    expect([refusal.code, refusal.reason]).toEqual(['broken', 'the file is broken or of another type than it says']);
  });

  it.each([
    ['sample sizes', () => patched('stsz', 12, Buffer.alloc(4, 255))],
    ['times', () => patched('stts', 8, Buffer.alloc(12, 255))],
    ['a picture of 65,535 x 65,535', () => patched('avc1', 28, Buffer.alloc(4, 255))],
    ['lengths', () => patched('mvhd', 16, Buffer.alloc(8, 255))],
  ])('that claims too much ends within the limits: %s', async (_what, make) => {
    bench.seen.length = 0;
    await bench.read(make(), 'video/mp4').catch((error) => expect(error.name).toBe('MediaRefusedError'));
    expect(bench.seen[0]?.durationMs).toBeLessThan(12_000);
    expect(bench.seen[0]?.peakBytes).toBeLessThan(320 * 1024 * 1024);
    expect((await bench.read(mp4, 'video/mp4')).thumbnails).toHaveLength(3);
  });
});
