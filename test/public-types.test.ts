/** What an exported declaration takes or gives can be imported, too. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

function entryPoints(): string[] {
  const { exports }: { exports: Record<string, string | { types: string }> } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  return Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' ? [] : [join(root, entry.types)],
  );
}

/** What nobody names: pieces of the types of others, and what only peerlane's own code makes and hands over. */
const UNNAMED = new Set(
  ['InputOf', 'OptionalKeys', 'NamesOf', 'Row', 'RowsOf'].concat(['ByteQueue', 'Connection']),
);

/** `Name of file` for each type of ours that a public declaration names and no entry point exports. */
function missingTypes(entries: readonly string[]): string[] {
  const program = ts.createProgram(entries, {
    ...{
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      skipLibCheck: true,
      types: ['node'],
    },
  });
  const checker = program.getTypeChecker();
  const origin = (symbol: ts.Symbol): ts.Symbol =>
    (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
  const exported = new Set<ts.Symbol>();
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${entry} exports nothing`);
    for (const symbol of checker.getExportsOfModule(module)) exported.add(origin(symbol));
  }
  const missing = new Set<string>();
  const look = (node: ts.Node): void => {
    if (ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal')) return;
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
      const name = ts.isTypeReferenceNode(node) ? node.typeName : node.expression;
      const found = checker.getSymbolAtLocation(name);
      const symbol = found && origin(found);
      const declared = symbol?.declarations?.[0];
      const isParameter = declared !== undefined && ts.isTypeParameterDeclaration(declared);
      const path = declared?.getSourceFile().fileName ?? '';
      if (
        symbol !== undefined &&
        !isParameter &&
        path.startsWith(dist) &&
        !exported.has(symbol) &&
        !UNNAMED.has(symbol.name)
      ) {
        missing.add(`${symbol.name} of ${relative(dist, path)}`);
      }
    }
    ts.forEachChild(node, look);
  };
  for (const symbol of exported) symbol.declarations?.forEach(look);
  return [...missing].sort();
}

it('every type that a public declaration names can be imported from an entry point', () => {
  expect(dirname(entryPoints()[0] ?? '')).toBe(dist);
  expect(missingTypes(entryPoints())).toEqual([]);
});
