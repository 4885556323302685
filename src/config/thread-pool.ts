/**
 * libuv's pool serves files, DNS, bcrypt and images, and has four threads unless told before its first use; so this
 * module is the first that `main.ts` imports. Three hashes (two of passwords, one of key secrets) and one image at once
 * then leave ten threads for files.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '14';

export {};
