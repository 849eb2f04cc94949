const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  EEXIST: 'it exists already',
  EMFILE: 'too many files are open',
  ENOSPC: 'no space is left',
  EROFS: 'the file system is read-only',
};

/** What a failed file operation means, as the end of a sentence. */
export function fileProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return PROBLEMS[code] ?? (code === '' ? String(error) : code);
}
