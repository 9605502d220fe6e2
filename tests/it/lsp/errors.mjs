// Errors while typing: of open texts over those on disk, in files that are not open too, cleared when they are mended.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Editor, lsp, script, span } from './editor.mjs';

const ROOT = 'imgspec.kdl';
const INNER = 'services/imgspec.kdl';
const codes = (diagnostics) => diagnostics.map(({ code }) => code);
const has = (code) => (diagnostics) => codes(diagnostics).includes(code);
const none = (diagnostics) => diagnostics.length === 0;

await script(async ({ folder }) => {
  const editor = new Editor();
  await editor.start({ workspace: { didChangeWatchedFiles: { dynamicRegistration: true } } });
  await editor.open(ROOT);
  const clean = await editor.until(ROOT, none);
  const good = editor.texts.get(ROOT);

  // A typo, with all that the client shows of it, and its quick fix.
  await editor.change(ROOT, good.replace('apt-packages', 'apt-pakages'));
  const [typo] = await editor.until(ROOT, has('unknown-field'));
  const asked = { textDocument: { uri: editor.uri(ROOT) }, range: typo.range, context: { diagnostics: [typo] } };
  const [fix] = await editor.request(lsp.CodeActionRequest.type, asked);
  const mended = editor.apply(fix.edit)[ROOT] === good;
  const others = await editor.request(lsp.CodeActionRequest.type, { ...asked, context: { diagnostics: [], only: ['refactor'] } });

  // Each prefix of a manifest is a broken manifest; none of them may end the server.
  for (let end = 0; end < good.length; end += 7) await editor.change(ROOT, good.slice(0, end));
  await editor.change(ROOT, good);
  await editor.until(ROOT, none);

  // The included file is not open, but its base vanishes with an edit of the root manifest.
  await editor.change(ROOT, good.replace('image "base"', 'image "other"'));
  const [broken] = await editor.until(INNER, has('unknown-image'));
  await editor.change(ROOT, good);
  await editor.until(INNER, none);

  // Both are open, and both are unsaved.
  await editor.open(INNER);
  await editor.until(INNER, none);
  await editor.change(ROOT, good.replace('image "base"', 'image "ground"'));
  await editor.until(INNER, has('unknown-image'));
  const inner = editor.texts.get(INNER);
  await editor.change(INNER, inner.replaceAll('"base"', '"ground"'));
  await editor.until(INNER, none);
  const related = inner.replace('image "app"', 'image "ground"').replaceAll('image="base"', 'image="ground"');
  await editor.change(INNER, related);
  const [twice] = await editor.until(INNER, has('duplicate-image'));

  // Closed without saving: the texts on disk count again.
  await editor.close(INNER);
  await editor.close(ROOT);
  await editor.open(ROOT);
  await editor.until(ROOT, none);
  await editor.until(INNER, none);

  // A lint, and the permission for it.
  await editor.change(ROOT, good.replace('"debian:bookworm-slim"', '"debian"'));
  const [lint] = await editor.until(ROOT, has('floating-base'));
  const actions = await editor.request(lsp.CodeActionRequest.type, {
    textDocument: { uri: editor.uri(ROOT) },
    range: lint.range,
    context: { diagnostics: [lint] },
  });
  const allow = actions.find(({ title }) => title.startsWith('allow'));
  await editor.change(ROOT, editor.apply(allow.edit)[ROOT]);
  await editor.until(ROOT, none);
  const allowed = editor.texts.get(ROOT).split('\n').find((line) => line.includes('allow'));
  await editor.change(ROOT, good);
  await editor.until(ROOT, none);

  // A file that somebody else changes.
  writeFileSync(join(folder, INNER), 'image "app" { base-image image="nothing"; }\n');
  const changes = [{ uri: editor.uri(INNER), type: lsp.FileChangeType.Changed }];
  await editor.connection.sendNotification(lsp.DidChangeWatchedFilesNotification.type, { changes });
  const outside = await editor.until(INNER, has('unknown-image'));

  // A copied directory without files is found by reading files.
  const copying = good.replace('apt-packages "git"', 'copy "empty" to="/x"');
  writeFileSync(join(folder, INNER), inner);
  await editor.change(ROOT, copying);
  const [empty] = await editor.until(ROOT, has('empty-copy'));

  return {
    clean,
    typo: { ...typo, range: span(typo.range) },
    fix: { title: fix.title, kind: fix.kind, isPreferred: fix.isPreferred, mended },
    others,
    broken: { message: broken.message, range: span(broken.range) },
    twice: twice.relatedInformation.map(({ location, message }) => `${editor.where(location)} ${message}`),
    lint: { severity: lint.severity, title: allow.title, allowed },
    outside: codes(outside),
    empty: empty.message,
    registered: editor.registered,
    code: await editor.stop(),
  };
});
