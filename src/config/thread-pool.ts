/**
 * libuv's pool serves files, DNS and bcrypt, and has four threads unless told before its first use; so this module is
 * the first that `main.ts` imports. Three hashes at once (two of passwords, one of key secrets) then leave nine threads
 * for files.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '12';

export {};
