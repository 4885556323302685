import { spawn } from 'node:child_process';

/** Programs and what bounds them. */
export interface FfmpegTools {
  readonly ffmpeg: string;
  readonly ffprobe: string;
  readonly demuxer: string;
  readonly input: string;
  readonly memoryBytes: number;
  readonly maxPixels: number;
}

/** Why it failed, where it says so: a codec that isn't among those that are let in, or no memory. */
interface ProgramResult {
  readonly ok: boolean;
  readonly output: string;
  readonly refusedCodec: boolean;
  readonly outOfMemory: boolean;
}

const MAX_OUTPUT_CHARS = 256 * 1024;
const MAX_ALLOCATION_BYTES = 128 * 1024 * 1024;
/** ffmpeg has hundreds of decoders, many old and seldom looked at; these are what people's files hold. */
const CODECS = [
  ...['h264', 'hevc', 'vp8', 'vp9', 'libvpx', 'libvpx-vp9', 'av1', 'libdav1d', 'libaom-av1', 'mpeg4', 'mpeg2video'],
  ...['mpeg1video', 'h263', 'theora', 'prores', 'mjpeg', 'png'],
  ...[
    'aac',
    'aac_latm',
    'mp3',
    'mp3float',
    'mp2',
    'mp2float',
    'ac3',
    'eac3',
    'opus',
    'libopus',
    'vorbis',
    'flac',
    'alac',
  ],
  ...[
    'pcm_s16le',
    'pcm_s16be',
    'pcm_s24le',
    'pcm_s32le',
    'pcm_u8',
    'pcm_f32le',
    'pcm_mulaw',
    'pcm_alaw',
    'amrnb',
    'amrwb',
  ],
  ...['mov_text', 'subrip', 'srt', 'ass', 'webvtt'],
].join(',');

/**
 * Runs ffmpeg or ffprobe on the one file: read by the given demuxer alone, nothing else opened (no network, no other
 * file that it names), one thread. It is in our process group, and ends with us.
 */
export async function runProgram(tools: FfmpegTools, program: string, args: readonly string[]): Promise<ProgramResult> {
  const bounds = [
    ...['-v', 'error', '-hide_banner', '-max_alloc', String(MAX_ALLOCATION_BYTES)],
    ...['-protocol_whitelist', 'file', '-format_whitelist', tools.demuxer, '-codec_whitelist', CODECS],
    ...['-max_streams', '64', '-max_pixels', String(tools.maxPixels), '-f', tools.demuxer],
  ];
  const [file, ...rest] = withinMemory(tools, [program, ...placed(args, bounds)]);
  const child = spawn(file ?? program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      if (output[name].length > MAX_OUTPUT_CHARS) child.kill('SIGKILL');
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return {
    ok: code === 0,
    output: output.stdout,
    refusedCodec: output.stderr.includes('not on whitelist'),
    outOfMemory: output.stderr.includes('Cannot allocate memory'),
  };
}

/** Options of the input have to stand before it. */
function placed(args: readonly string[], bounds: readonly string[]): readonly string[] {
  const input = args.indexOf('-i');
  return [...args.slice(0, input), ...bounds, ...args.slice(input)];
}

/** What is left of the memory is asked of the kernel too, where there is one that can. */
function withinMemory(tools: FfmpegTools, command: readonly string[]): readonly string[] {
  if (process.platform !== 'linux') return command;
  const leftKib = Math.floor((tools.memoryBytes - process.memoryUsage.rss()) / 1024);
  return ['/bin/sh', '-c', `ulimit -d ${leftKib}; exec "$@"`, 'sh', ...command];
}
