/** The chapters of the reference, in their order, and what each is about. */
export const TAGS = {
  System: 'Is it there, is it alive, is it ready.',
  Authentication: 'Accounts, sessions, passwords, and codes by mail.',
  Users: 'The own account: profile, photo, summary, and its end.',
  'API key requests': 'Users ask for keys and for more room, admins review.',
  'API keys': 'The own keys, their secrets and their usage.',
  Storage: 'Files by path, in a key’s pocket or in a user’s drive.',
  Uploads: 'Large files and many of them: room held beforehand, straight into the store, resumable.',
  Assets: 'Files by id, with thumbnails and what they say of themselves.',
  Drive: 'Folders, and files by id, in the own drive and in what others share.',
  Sharing: 'With people, and with everybody who has a link.',
  'Public links': 'What a link opens, for people and for programs.',
  Jobs: 'What works in the background, for admins.',
  Admin: 'Health, accounts, keys and the audit log, for admins.',
} as const satisfies Record<string, string>;

export type Tag = keyof typeof TAGS;
