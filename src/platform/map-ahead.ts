/**
 * What `work` makes of each item, in order, with up to `ahead` of them begun before they are asked for. A failure is met
 * when its turn comes; whoever stops before never hears of it. Closes the source.
 */
export async function* mapAhead<T, R>(
  source: AsyncGenerator<T>,
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  let exhausted = false;
  try {
    for (;;) {
      while (!exhausted && begun.length < ahead) {
        const next = await source.next();
        exhausted = next.done === true;
        if (next.done) break;
        const result = work(next.value);
        result.catch(() => undefined);
        begun.push(result);
      }
      const result = begun.shift();
      if (!result) return;
      yield await result;
    }
  } finally {
    await source.return(undefined);
  }
}
