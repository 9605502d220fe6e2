// What is told about words: hover, definitions, references, symbols.

import { Editor, lsp, script } from './editor.mjs';

const ROOT = 'imgspec.kdl';
const INNER = 'services/imgspec.kdl';

await script(async ({ part }) => {
  const editor = new Editor();
  await editor.start();
  await editor.open(ROOT);
  await editor.open(INNER);
  await editor.until(INNER);
  const hover = async (...where) => {
    const told = await editor.request(lsp.HoverRequest.type, editor.at(...where));
    return told && told.contents.value;
  };
  const definition = async (...where) => {
    const found = await editor.request(lsp.DefinitionRequest.type, editor.at(...where));
    return found.map((it) => editor.where(it));
  };
  const references = async (...where) => {
    const asked = { ...editor.at(...where), context: { includeDeclaration: true } };
    const found = await editor.request(lsp.ReferencesRequest.type, asked);
    return found.map((it) => editor.where(it));
  };
  if (part === 'state') {
    return { app: await hover(INNER, '"app"', { within: 2 }), code: await editor.stop() };
  }
  const flat = (symbols) => symbols.map(({ name, detail, range }) => `${name} ${detail ?? ''} ${range.start.line}-${range.end.line}`);
  const symbols = await editor.request(lsp.DocumentSymbolRequest.type, { textDocument: { uri: editor.uri(ROOT) } });
  const search = async (query) => {
    const found = await editor.request(lsp.WorkspaceSymbolRequest.type, { query });
    return found.map(({ name, location }) => `${name} ${editor.where(location)}`);
  };
  return {
    hover: {
      field: await hover(ROOT, 'apt-packages'),
      node: await hover(ROOT, 'template'),
      image: await hover(INNER, '"base"', { within: 2 }),
      matrix: await hover(ROOT, '"py{{', { within: 2 }),
      variable: await hover(INNER, '{{ registry', { within: 4 }),
      secret: await hover(ROOT, 'variable "pass"', { within: 11 }),
      hidden: await hover(ROOT, 'variable "odd"', { within: 11 }),
      template: await hover(INNER, 'extends="service"', { within: 10 }),
      group: await hover(ROOT, 'group "all"', { within: 8 }),
      base: await hover(ROOT, '"debian:bookworm-slim"', { within: 3 }),
      lint: await hover(ROOT, '"no-ignore-file"', { within: 3 }),
      nothing: await hover(ROOT, '\n}\n', { within: 1 }),
    },
    definition: {
      base: await definition(INNER, 'image="base"', { within: 8 }),
      template: await definition(INNER, 'extends="service"', { within: 10 }),
      variable: await definition(INNER, '{{ registry', { within: 4 }),
      axis: await definition(ROOT, '{{ python }}"\n', { within: 4 }),
      member: await definition(ROOT, '"!app"', { within: 3 }),
      glob: await definition(ROOT, '"py*"', { within: 2 }),
      context: await definition(INNER, 'ground image="base"', { within: 15 }),
      field: await definition(ROOT, 'apt-packages'),
    },
    references: {
      base: await references(ROOT, 'image "base"', { within: 8 }),
      template: await references(ROOT, 'template "service"', { within: 11 }),
      variable: await references(ROOT, 'variable "registry"', { within: 11 }),
      group: await references(ROOT, 'group "all"', { within: 8 }),
    },
    symbols: flat(symbols),
    search: [await search('BAS'), await search('service'), await search('no such thing')],
    code: await editor.stop(),
  };
});
