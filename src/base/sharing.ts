/**
 * The rule by which owners share what is for all of them: whoever has less of it than is left may have more. The parts of an owner
 * share by the same rule what that can still get, which is half of what is left beyond its own, as each that it gets is taken
 * from what is left, too.
 *
 * @param left of what is for all
 * @param owned what the owner has, all its parts together
 * @param ofPart what the part of it has that wants more; `undefined`: the owner is one
 */
export function mayHaveMore(left: number, owned: number, ofPart: number | undefined): boolean {
  const beyond = left - owned;
  return ofPart === undefined ? beyond > 0 : beyond / 2 > ofPart;
}
