import type { AppError } from '../../errors/app-error.ts';
import type { ErrorCode } from '../../errors/codes.ts';
import type { PublicPages } from './public-page.ts';

/** In words for people who never saw this service. What is not here is told as it is. */
const WORDS: Partial<Record<ErrorCode, { readonly title: string; readonly message: string }>> = {
  LINK_NOT_FOUND: {
    title: 'This link does not work',
    message: 'It may have expired, been used up or been withdrawn. Ask whoever sent it for a new one.',
  },
  FILE_NOT_FOUND: { title: 'There is no such file', message: 'It may have been moved or deleted.' },
  FOLDER_NOT_FOUND: { title: 'There is no such folder', message: 'It may have been moved or deleted.' },
  QUOTA_EXCEEDED: { title: 'There is no room for this file', message: 'It is larger than what this link still takes.' },
  FILE_TOO_LARGE: { title: 'The file is too large', message: 'This server does not take files of this size.' },
  FILE_TYPE_NOT_ALLOWED: { title: 'This kind of file is not taken', message: 'Send it as another kind of file.' },
  CONTENT_MISMATCH: {
    title: 'The file is not what its name says',
    message: 'Its content is of another kind. Give it the right ending, then try again.',
  },
  FILE_PROCESSING: { title: 'The file is being checked', message: 'Please try again in a moment.' },
  VIRUS_FOUND: {
    title: 'This file is in quarantine',
    message: 'It was not found to be free of viruses, so nobody can download it.',
  },
  RATE_LIMITED: { title: 'Too many attempts', message: 'Please wait a while, then try again.' },
  DEPENDENCY_UNAVAILABLE: { title: 'Not available just now', message: 'Please try again in a moment.' },
  INTERNAL: { title: 'Something went wrong', message: 'It is our fault. Please try again later.' },
};
/** Where there is nothing to go back to. */
const FINAL: readonly ErrorCode[] = ['LINK_NOT_FOUND', 'INTERNAL'];

/** How a failed request is told to people; `home` is the link's address. */
export function failurePage({ code, message, details }: AppError, home: string, pages: PublicPages): string {
  if (code === 'LINK_PASSWORD_REQUIRED') return pages.password(home, null);
  if (code === 'INVALID_CREDENTIALS') return pages.password(home, 'The password is wrong.');
  const faults = code === 'VALIDATION_FAILED' && Array.isArray(details) ? details : [];
  const words = WORDS[code] ?? {
    title: 'That did not work',
    message: [message, ...faults.map((fault) => `${fault.path} ${fault.message}`)].join(': '),
  };
  return pages.failure(words, FINAL.includes(code) ? null : home);
}
