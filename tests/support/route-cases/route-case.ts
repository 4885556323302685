import type { ErrorCode } from '../../../src/errors/codes.ts';
import type { Actor, Call, Key, Person, World } from '../world.ts';

/** How to call a route rightly. The authorization matrix fails for a route without one. */
export interface RouteCase {
  /** A request that may be made by this principal, on things that are made for it here. */
  readonly call: (world: World, me: Actor) => Call | Promise<Call>;
  /** Its status. */
  readonly status: number;
  /** What the same request gets from somebody else; absent where it names nothing that belongs to anybody. */
  readonly foreign?: ErrorCode;
}

export type RouteCases = Readonly<Record<string, RouteCase>>;

/** The actor as a person; the matrix calls routes for people with people only. */
export function asPerson(actor: Actor): Person {
  if (!('sessionId' in actor)) throw new Error('this route is for people');
  return actor as Person;
}

/** A key of the person's. */
export function keyOf(world: World, me: Actor): Promise<Key> {
  return world.key(asPerson(me));
}
