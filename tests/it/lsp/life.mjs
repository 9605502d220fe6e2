// From the first message to the last, and what a client can do wrong.

import { readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Editor, lsp, script } from './editor.mjs';

const ROOT = 'imgspec.kdl';

const parts = {
  /** What is answered at which time. */
  async order() {
    const editor = new Editor();
    const early = await editor.failure(lsp.HoverRequest.type, editor_place(editor));
    const { capabilities, serverInfo } = await editor.start();
    const twice = await editor.failure(lsp.InitializeRequest.type, { processId: null, rootUri: null, capabilities: {} });
    const unknown = await editor.failure({ method: 'imgspec/unknown' }, {});
    const wrong = await editor.failure({ method: 'textDocument/hover' }, { position: 'here' });
    await editor.connection.sendNotification('imgspec/unknown', {});
    await editor.connection.sendNotification('textDocument/didChange', { nonsense: true });
    const closed = await editor.request(lsp.HoverRequest.type, editor_place(editor));
    await editor.connection.sendRequest(lsp.ShutdownRequest.type);
    const late = await editor.failure(lsp.HoverRequest.type, editor_place(editor));
    await editor.connection.sendNotification(lsp.ExitNotification.type);
    const code = await editor.ended;
    const rude = new Editor();
    await rude.start();
    await rude.connection.sendNotification(lsp.ExitNotification.type);
    const gone = new Editor();
    await gone.start();
    gone.child.stdin.end();
    return {
      early, twice: twice.code, unknown, wrong: wrong.code, closed, late: late.code,
      encoding: capabilities.positionEncoding, name: serverInfo.name,
      codes: [code, await rude.ended, await gone.ended],
    };
  },

  /** The same place, counted in each of the encodings. */
  async encodings() {
    const found = {};
    for (const encoding of ['utf-8', 'utf-16', 'utf-32']) {
      const editor = new Editor();
      const { capabilities } = await editor.start({ general: { positionEncodings: [encoding] } });
      await editor.open(ROOT, 'image "a" { /* \u{1f980}é */ nonsense; }\n');
      const [{ range }] = await editor.until(ROOT, (all) => all.length > 0);
      found[capabilities.positionEncoding] = range.start.character;
      await editor.stop();
    }
    return found;
  },

  /** Positions that no text has, and requests that are canceled. */
  async out_of_range() {
    const editor = new Editor();
    await editor.start();
    await editor.open(ROOT);
    await editor.until(ROOT);
    const textDocument = { uri: editor.uri(ROOT) };
    const answers = [];
    for (const position of [{ line: 0, character: 99999 }, { line: 99999, character: 0 }, { line: 2147483647, character: 2147483647 }]) {
      for (const type of [lsp.HoverRequest.type, lsp.DefinitionRequest.type, lsp.CompletionRequest.type]) {
        await editor.request(type, { textDocument, position });
        answers.push(type.method);
      }
    }
    const range = { start: { line: 500, character: 1 }, end: { line: 2, character: 0 } };
    await editor.connection.sendNotification(lsp.DidChangeTextDocumentNotification.type, {
      textDocument: { ...textDocument, version: 2 },
      contentChanges: [{ range, text: '\n// appended\n' }],
    });
    const other = await editor.request(lsp.HoverRequest.type, { textDocument: { uri: 'untitled:x' }, position: range.start });
    // A request that waits for a look, canceled before it.
    const source = new lsp.CancellationTokenSource();
    await editor.connection.sendNotification(lsp.DidSaveTextDocumentNotification.type, { textDocument });
    const asked = editor.connection.sendRequest(lsp.HoverRequest.type, { textDocument, position: { line: 0, character: 0 } }, source.token);
    source.cancel();
    const canceled = await asked.then(() => 'answered', ({ code }) => code);
    return { answers: answers.length, other, canceled: ['answered', -32800].includes(canceled), code: await editor.stop() };
  },

  /** As fast as they can be sent; the last text counts. */
  async fast({ folder }) {
    const editor = new Editor();
    await editor.start();
    const good = readFileSync(join(folder, ROOT), 'utf8');
    await editor.open(ROOT, good);
    await editor.until(ROOT, (all) => all.length === 0);
    const begun = Date.now();
    for (let count = 0; count < 2000; count += 1) {
      const text = count % 3 ? `${good}image "a${count}" { base-image image="no${count}"; }\n` : `${good}image "`;
      await editor.change(ROOT, text);
    }
    await editor.change(ROOT, `${good}image "last" { base-image image="nobody"; }\n`);
    const found = await editor.until(ROOT, (all) => all.some(({ message }) => message.includes('nobody')));
    const seconds = (Date.now() - begun) / 1000;
    return { found: found.map(({ code }) => code), soon: seconds < 20, code: await editor.stop() };
  },

  /** A text of several megabytes is checked while it is typed. */
  async big({ folder }) {
    const editor = new Editor();
    await editor.start();
    const good = readFileSync(join(folder, ROOT), 'utf8');
    const images = Array.from({ length: 3000 }, (_, at) => `image "big-${at}" {\n    base-image image="base"\n    labels note="${'x'.repeat(500)}"\n}\n`);
    await editor.open(ROOT, good + images.join('') + 'image "end" { base-image image="nobody"; }\n');
    const found = await editor.until(ROOT, (all) => all.some(({ code }) => code === 'unknown-image'));
    await editor.change(ROOT, good);
    await editor.until(ROOT, (all) => all.length === 0);
    return { found: found.map(({ message }) => message), code: await editor.stop() };
  },

  /** Two workspaces at once, one of them only as a folder; a file outside of both. */
  async workspaces({ folder }) {
    const editor = new Editor();
    const folders = ['one', 'two'].map((name) => ({ name, uri: pathToFileURL(join(folder, name)).href }));
    await editor.start({}, { workspaceFolders: folders });
    const [two] = await editor.until('two/imgspec.kdl', (all) => all.length > 0);
    await editor.open('one/imgspec.kdl');
    const [one] = await editor.until('one/imgspec.kdl', (all) => all.length > 0);
    await editor.open('loose.kdl', 'anything { at "all"; }\n');
    const event = { added: [], removed: [folders[1]] };
    await editor.connection.sendNotification(lsp.DidChangeWorkspaceFoldersNotification.type, { event });
    await editor.until('two/imgspec.kdl', (all) => all.length === 0);
    // A manifest that is not on disk yet.
    await editor.open('one/new/imgspec.kdl', 'image "n" { base-image "debian:12"; oops 1; }\n');
    const [fresh] = await editor.until('one/new/imgspec.kdl', (all) => all.length > 0);
    return {
      one: one.message, two: two.message, fresh: fresh.message,
      loose: editor.diagnostics.has('loose.kdl'), code: await editor.stop(),
    };
  },

  /** The server ends with the process that it was told to belong to, though its input stays open. */
  async parent() {
    const other = spawn('sleep', ['600']);
    const editor = new Editor();
    await editor.start({}, { processId: other.pid });
    other.kill('SIGKILL');
    return { code: await editor.ended };
  },
};

const editor_place = (editor) => ({ textDocument: { uri: editor.uri(ROOT) }, position: { line: 0, character: 0 } });

await script((input) => parts[input.part](input));
