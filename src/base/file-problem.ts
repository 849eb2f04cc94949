const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  EEXIST: 'it exists already',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open on this machine',
  ENOBUFS: 'the system has no memory left for it',
  ENOMEM: 'no memory is left',
  ENOSPC: 'no space is left',
  EROFS: 'the file system is read-only',
  EBUSY: 'the system uses it',
  ENAMETOOLONG: 'its name is too long',
};

/** The code of the system's error, as `ENOENT`, or of a library's. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What a failed file operation means, as the end of a sentence. */
export function fileProblem(error: unknown): string {
  const code = systemCode(error);
  return code === undefined ? String(error) : (PROBLEMS[code] ?? code);
}
