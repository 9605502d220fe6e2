// What helps to write: completion, rename, format.

import { Editor, lsp, script, span, applyEdits } from './editor.mjs';

const ROOT = 'imgspec.kdl';
const INNER = 'services/imgspec.kdl';

await script(async () => {
  const editor = new Editor();
  await editor.start({ workspace: { workspaceEdit: { documentChanges: true } } });
  await editor.open(ROOT);
  await editor.open(INNER);
  await editor.until(INNER);
  const inner = editor.texts.get(INNER);

  // Completes at the end of a text that is typed below the rest; returns the items, and the text with the first accepted.
  const complete = async (typed, after = '') => {
    const text = `${inner}${typed}`;
    await editor.change(INNER, text + after);
    const lines = text.split('\n');
    const position = { line: lines.length - 1, character: lines.at(-1).length };
    const asked = { textDocument: { uri: editor.uri(INNER) }, position };
    const found = await editor.request(lsp.CompletionRequest.type, asked);
    if (!found) return null;
    const [first] = found.items;
    const accepted = first && applyEdits(text + after, [first.textEdit]).slice(inner.length);
    return { labels: found.items.map(({ label }) => label), accepted, first };
  };
  const start = 'image "new" {\n  ';
  const completion = {
    nodes: (await complete('')).labels,
    fields: (await complete(`${start}`)).labels.length > 40,
    documented: (await complete(start)).first.documentation.value.split('\n')[0],
    ids: await complete(`${start}base-image image="`),
    closed: (await complete(`${start}base-image image="`, '"\n}\n')).accepted,
    unquoted: (await complete(`${start}base-image image=`)).accepted,
    properties: (await complete(`${start}copy image="base" "/a" `)).labels,
    templates: (await complete('image "new" extends="')).labels,
    variables: await complete(`${start}registry "{{`),
    builders: (await complete(`${start}builder "`)).labels,
    platforms: (await complete(`${start}platform "linux/amd64" "`)).labels.length,
    flags: (await complete(`${start}python-bytecode `)).labels,
    lints: (await complete('allow "')).labels.includes('floating-base'),
    groups: (await complete('group "g" { images "')).labels,
    paths: (await complete(`${start}copy "s`)).labels,
    deeper: (await complete(`${start}copy "src/`)).labels,
    outside: (await complete(`${start}copy "../../../`)).labels,
    steps: (await complete(`${start}steps {\n    `)).labels,
    comment: await complete('// ima'),
    finished: await complete(`${start}builder "oci"`),
    broken: (await complete('}}} image "x" { base-image image="')).labels ?? null,
  };
  await editor.change(INNER, inner);

  const first = editor.at(ROOT, 'image "base"', { within: 8 });
  const prepared = await editor.request(lsp.PrepareRenameRequest.type, first);
  const renamed = await editor.request(lsp.RenameRequest.type, { ...first, newName: 'py-ground' });
  const changed = (path, text) => {
    const before = editor.texts.get(path).split('\n');
    return text.split('\n').filter((line, at) => line !== before[at]);
  };
  const refused = async (params, newName) => (await editor.failure(lsp.RenameRequest.type, { ...params, newName })).message;
  const rename = {
    prepared: `${prepared.placeholder} ${span(prepared.range)}`,
    edited: Object.entries(editor.apply(renamed)).flatMap(([path, text]) => changed(path, text)),
    versions: renamed.documentChanges.map(({ textDocument }) => textDocument.version),
    messages: [...editor.messages],
    matrix: await refused(editor.at(ROOT, '"py{{', { within: 2 }), 'x'),
    variable: await refused(editor.at(ROOT, 'variable "registry"', { within: 11 }), 'x'),
    invalid: await refused(first, 'no spaces'),
    taken: await refused(first, 'app'),
    nothing: await refused(editor.at(ROOT, 'apt-packages'), 'x'),
  };

  const ugly = 'image   "base"{\n\n\n\n  apt-packages    "git"\n}\n';
  const format = async (path) => {
    const options = { tabSize: 4, insertSpaces: true };
    const edits = await editor.request(lsp.DocumentFormattingRequest.type, { textDocument: { uri: editor.uri(path) }, options });
    return edits && applyEdits(editor.texts.get(path), edits);
  };
  await editor.change(ROOT, ugly);
  const formatted = await format(ROOT);
  await editor.change(ROOT, formatted);
  const again = await editor.request(lsp.DocumentFormattingRequest.type, {
    textDocument: { uri: editor.uri(ROOT) },
    options: { tabSize: 4, insertSpaces: true },
  });
  await editor.change(ROOT, 'image {{{');
  const broken = await editor.failure(lsp.DocumentFormattingRequest.type, {
    textDocument: { uri: editor.uri(ROOT) },
    options: { tabSize: 4, insertSpaces: true },
  });
  // KDL files of other programs are left alone.
  await editor.open('config.kdl', 'pane   size=1\n');
  const foreign = [await format('config.kdl'), editor.diagnostics.has('config.kdl')];
  delete completion.ids.first;
  delete completion.variables.first;
  return { completion, rename, format: { formatted, again, broken: broken.message, foreign }, code: await editor.stop() };
});
