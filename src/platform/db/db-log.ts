/** What this folder needs of a logger; a pino logger fits as it is. The object's keys become fields of the line. */
export interface DbLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
