// Preloaded into a service under test: when the test's process ends, however that dies, its end of stdin closes and the
// service stops in order, its database with it. Nothing of the service knows of it.
process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM')).resume();
// A pipe; as a file or a terminal stdin could not be let go of.
if ('unref' in process.stdin) process.stdin.unref();
