/** What the HTML pages of the commands share. A page needs nothing but itself, and runs no script. */

export const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1a1d21; --dim: #555c66; --paper: #ffffff; --line: #d5d9df;
  --first: #0969b3; --second: #b45f06; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --dim: #a6adb7; --paper: #15181c; --line: #3a4049; --first: #58a6ff; --second: #f0a04b; }
}
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0; }
.note, dt, figcaption { color: var(--dim); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; }
.scroll { overflow-x: auto; }
`;

/** A whole document. @param style rules beside `PAGE_STYLE` @param main HTML */
export function documentOf(title: string, style: string, main: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${PAGE_STYLE}${style}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`;
}

/** `<dl>` of names and values, both text. */
export function factListOf(facts: readonly (readonly [string, string])[]): string {
  return `<dl>\n${facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('\n')}\n</dl>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it stands in HTML, in attributes too. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
