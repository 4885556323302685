import { z } from 'zod';

/** The last moment whose year has four digits, in UTC: what comes later, neither drivers nor clients can read. */
const END_OF_TIME = Date.UTC(10_000, 0);

/** A time of ISO 8601 with its offset, as a Date. */
export const moment = z.iso
  .datetime({ offset: true })
  // What is no time at all is told by the line above.
  .refine((text) => !(Date.parse(text) >= END_OF_TIME), 'must be a time before the year 10000')
  .transform((text) => new Date(text));
