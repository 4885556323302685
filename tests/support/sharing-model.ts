import type { ModelFile, ModelFolder, SpaceModel } from './space-model.ts';

/** With whom things are shared. */
export const GRANTEES = ['ann', 'bob'] as const;
export type Grantee = (typeof GRANTEES)[number];
export const PERSONS = ['owner', ...GRANTEES, 'stranger'] as const;
export type Person = (typeof PERSONS)[number];
export type ModelRole = 'none' | 'VIEW' | 'EDIT' | 'OWNER';
export type Subject = ModelFile | ModelFolder;

export interface ModelShare {
  readonly id: string;
  readonly subject: Subject;
  readonly grantee: Grantee;
  readonly by: 'email' | 'username';
  permission: 'VIEW' | 'EDIT';
  /** The hour; null: never. */
  endsAt: number | null;
}

/** A public link that takes files; the room it holds is the space's reservation of the same id. */
export interface ModelDrop {
  readonly id: string;
  readonly token: string;
  readonly folder: ModelFolder;
  readonly maxFiles: number;
  readonly endsAt: number | null;
}

/** Who else reaches a drive, as API.md tells it. */
export class SharingModel {
  readonly space: SpaceModel;
  shares: ModelShare[] = [];
  drops: ModelDrop[] = [];
  #hour = 0;

  constructor(space: SpaceModel) {
    this.space = space;
  }

  /** One of the living files, mostly of those that the person reaches, or, sometimes, none. */
  fileAt(index: number, person: Person = 'owner'): ModelFile | undefined {
    return this.#reached([...this.space.living.values()], { index, person });
  }

  folderAt(index: number, person: Person = 'owner'): ModelFolder | undefined {
    return this.#reached([...this.space.folders.values()], { index, person });
  }

  /** Of a living file or folder. */
  role(person: Person, subject: Subject | undefined): ModelRole {
    if (!subject) return 'none';
    if (person === 'owner') return 'OWNER';
    const permissions = this.#covering(person, subject).map(({ permission }) => permission);
    return permissions.includes('EDIT') ? 'EDIT' : (permissions[0] ?? 'none');
  }

  /** Whether the person may rename, move and delete the thing itself. */
  mayMove(person: Person, subject: Subject): boolean {
    if (person === 'owner') return true;
    const top = this.editable(person, subject);
    return top !== null && top !== subject;
  }

  /** The topmost of what is shared for editing, out of which a grantee moves nothing; null for the owner. */
  editable(person: Person, subject: Subject): Subject | null {
    const editing = this.#covering(person, subject).filter(({ permission }) => permission === 'EDIT');
    const [top] = editing.sort((a, b) => a.subject.path.length - b.subject.path.length);
    return top?.subject ?? null;
  }

  endOf(hours: number | null): number | null {
    return hours === null ? null : this.#hour + hours;
  }

  isUsable(drop: ModelDrop): boolean {
    return this.drops.includes(drop) && !this.#isOver(drop) && this.space.reservations.has(drop.id);
  }

  /** False where it does not fit. What is over makes room for it only then for good when it fits. */
  openDrop(drop: ModelDrop, bytes: number): boolean {
    const before = [...this.space.reservations];
    if (!this.space.openReservation(drop.id, bytes, drop.maxFiles, true)) {
      for (const [id, reservation] of before) this.space.reservations.set(id, reservation);
      return false;
    }
    this.drops.push(drop);
    return true;
  }

  closeDrop(drop: ModelDrop): void {
    this.drops = this.drops.filter((other) => other !== drop);
    // What is coming by it has drawn from its room, and goes with it.
    if (!this.space.reservations.has(drop.id)) return;
    this.space.closeReservation(drop.id);
    for (const upload of this.space.uploads) if (upload.reservation?.id === drop.id) this.space.uploads.delete(upload);
  }

  passHour(): void {
    this.#hour += 1;
    for (const drop of this.drops.filter((one) => this.#isOver(one))) {
      const reservation = this.space.reservations.get(drop.id);
      if (reservation) reservation.isOver = true;
    }
  }

  /** Shares and drops end with what they are about; to be called after each step. */
  settle(): void {
    this.shares = this.shares.filter(({ subject }) => this.#exists(subject));
    for (const drop of this.drops.filter(({ folder }) => !this.#exists(folder))) this.closeDrop(drop);
  }

  #reached<T extends Subject>(things: T[], { index, person }: { index: number; person: Person }): T | undefined {
    const reached = things.filter((thing) => this.role(person, thing) !== 'none');
    return picked(index < 8 && reached.length > 0 ? reached : things, index);
  }

  #covering(person: Person, subject: Subject): ModelShare[] {
    return this.shares.filter(
      (share) =>
        share.grantee === person &&
        !this.#isOver(share) &&
        (share.subject === subject || (!isFile(share.subject) && subject.path.startsWith(`${share.subject.path}/`))),
    );
  }

  #exists(subject: Subject): boolean {
    if (!isFile(subject)) return this.space.folders.get(subject.path) === subject;
    return this.space.living.get(subject.path) === subject || this.space.trash.includes(subject);
  }

  #isOver({ endsAt }: { readonly endsAt: number | null }): boolean {
    return endsAt !== null && endsAt <= this.#hour;
  }
}

export function isFile(subject: Subject): subject is ModelFile {
  return 'content' in subject;
}

/** By a number of 0 to 11, of which the last two may pick none. */
export function picked<T>(things: readonly T[], index: number): T | undefined {
  return things[index % (things.length + (index < 10 ? 0 : 1))];
}
