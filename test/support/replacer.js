/**
 * A process without the rights of root that replaces the file `argv[2]`, and prints what that gives: of the look at whether
 * it may, and of the attempt.
 */
import { replaceTextFile, requireReplaceable } from '../../dist/io/text-file.js';

/** The user and group `nobody`. */
const NOBODY = 65_534;

const [, , path] = process.argv;
if (process.getuid() === 0) {
  process.setgid(NOBODY);
  process.setuid(NOBODY);
}
for (const run of [requireReplaceable, replaceTextFile]) {
  try {
    await run(path, 'the file', 'new');
    console.log('done');
  } catch (error) {
    console.log(`${error.code}: ${error.message}`);
  }
}
