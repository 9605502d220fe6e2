// An editor for scripts of the tests: the client library of VS Code, with the real server at the other end.

import { createRequire } from 'node:module';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const modules = createRequire(`${process.env.IMGSPEC_TEST_EDITOR}/`);
export const lsp = modules('vscode-languageserver-protocol/node');

/** The offset of a position in a text without unusual line breaks. */
const offset = (text, { line, character }) => {
  const before = text.split('\n').slice(0, line);
  return before.reduce((sum, it) => sum + it.length + 1, 0) + character;
};

/** Applies edits that do not overlap, from the last to the first. */
export const applyEdits = (text, edits) =>
  [...edits]
    .sort((one, other) => offset(text, other.range.start) - offset(text, one.range.start))
    .reduce((all, { range, newText }) => {
      const [start, end] = [range.start, range.end].map((at) => offset(text, at));
      return all.slice(0, start) + newText + all.slice(end);
    }, text);

/** A range of one line as text: `line:column-column`, from 0. */
export const span = ({ start, end }) => `${start.line}:${start.character}-${end.character}`;

/** The value that the test has passed. */
const input = JSON.parse(readFileSync(0, 'utf8'));

export class Editor {
  constructor({ folder = input.folder, args = ['lsp'], environment = {} } = {}) {
    this.folder = folder;
    this.child = spawn(input.program, args, {
      cwd: folder,
      env: { ...input.environment, ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.ended = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(code ?? signal)));
    this.connection = lsp.createProtocolConnection(
      new lsp.StreamMessageReader(this.child.stdout),
      new lsp.StreamMessageWriter(this.child.stdin),
    );
    /** The last diagnostics of each file, by its path in the folder. */
    this.diagnostics = new Map();
    this.messages = [];
    this.registered = [];
    this.versions = new Map();
    this.texts = new Map();
    this.waiting = [];
    this.connection.onNotification(lsp.PublishDiagnosticsNotification.type, (params) => {
      this.diagnostics.set(this.path(params.uri), params);
      this.waiting = this.waiting.filter((look) => !look());
    });
    this.connection.onNotification(lsp.ShowMessageNotification.type, ({ message }) => this.messages.push(message));
    this.connection.onRequest(lsp.RegistrationRequest.type, ({ registrations }) => {
      this.registered.push(...registrations.map(({ method }) => method));
    });
    this.connection.listen();
  }

  uri(path) {
    return pathToFileURL(join(this.folder, path)).href;
  }

  path(uri) {
    const root = `${pathToFileURL(this.folder).href}/`;
    return uri.startsWith(root) ? decodeURI(uri.slice(root.length)) : uri;
  }

  async start(capabilities = {}, more = {}) {
    const { general = { positionEncodings: ['utf-16'] } } = capabilities;
    const result = await this.connection.sendRequest(lsp.InitializeRequest.type, {
      processId: process.pid,
      rootUri: null,
      workspaceFolders: null,
      capabilities: { ...capabilities, general },
      ...more,
    });
    await this.connection.sendNotification(lsp.InitializedNotification.type, {});
    return result;
  }

  /** Opens a file, with the text that it has on disk unless another is given. */
  async open(path, text = readFileSync(join(this.folder, path), 'utf8')) {
    this.versions.set(path, 1);
    this.texts.set(path, text);
    await this.connection.sendNotification(lsp.DidOpenTextDocumentNotification.type, {
      textDocument: { uri: this.uri(path), languageId: 'kdl', version: 1, text },
    });
  }

  /** Replaces the text of an open file, in one change of a range, as editors do. */
  async change(path, text) {
    const before = this.texts.get(path);
    const version = this.versions.get(path) + 1;
    const lines = before.split('\n');
    const end = { line: lines.length - 1, character: lines.at(-1).length };
    this.versions.set(path, version);
    this.texts.set(path, text);
    await this.connection.sendNotification(lsp.DidChangeTextDocumentNotification.type, {
      textDocument: { uri: this.uri(path), version },
      contentChanges: [{ range: { start: { line: 0, character: 0 }, end }, text }],
    });
  }

  async close(path) {
    await this.connection.sendNotification(lsp.DidCloseTextDocumentNotification.type, { textDocument: { uri: this.uri(path) } });
  }

  /** Waits until the diagnostics of a file are as wanted, and returns them. */
  until(path, wanted = () => true) {
    const look = () => {
      const found = this.diagnostics.get(path);
      return found && (found.version === undefined || found.version === this.versions.get(path)) && wanted(found.diagnostics);
    };
    return new Promise((resolve, reject) => {
      const shown = () => JSON.stringify([...this.diagnostics], null, 1);
      const late = setTimeout(() => reject(new Error(`never so: ${path}: ${wanted}\n${shown()}`)), 30_000);
      const done = () => {
        if (!look()) return false;
        clearTimeout(late);
        resolve(this.diagnostics.get(path).diagnostics);
        return true;
      };
      if (!done()) this.waiting.push(done);
    });
  }

  /** The place of the `count`th occurrence of a word in an open file, `within` characters into it. */
  at(path, word, { within = 1, count = 1 } = {}) {
    const text = this.texts.get(path);
    let found = -1;
    for (let left = count; left > 0; left -= 1) found = text.indexOf(word, found + 1);
    if (found < 0) throw new Error(`no \`${word}\` in ${path}`);
    const before = text.slice(0, found + within);
    const line = before.split('\n').length - 1;
    const position = { line, character: before.length - before.lastIndexOf('\n') - 1 };
    return { textDocument: { uri: this.uri(path) }, position };
  }

  request(type, params) {
    return this.connection.sendRequest(type, params);
  }

  /** What a request fails with. */
  async failure(type, params) {
    try {
      await this.request(type, params);
    } catch (error) {
      return { code: error.code, message: error.message };
    }
    throw new Error(`${type.method} did not fail`);
  }

  /** A location as text: `file:line:column-column`, from 0. */
  where({ uri, range }) {
    return `${this.path(uri)}:${span(range)}`;
  }

  /** Applies an edit of the workspace to the open texts, and returns the files that it changes. */
  apply({ changes, documentChanges }) {
    const all = documentChanges
      ? documentChanges.map(({ textDocument, edits }) => [textDocument.uri, edits])
      : Object.entries(changes);
    const texts = all.map(([uri, edits]) => {
      const path = this.path(uri);
      const text = this.texts.get(path) ?? readFileSync(join(this.folder, path), 'utf8');
      return [path, applyEdits(text, edits)];
    });
    return Object.fromEntries(texts.sort());
  }

  async stop() {
    await this.connection.sendRequest(lsp.ShutdownRequest.type);
    await this.connection.sendNotification(lsp.ExitNotification.type);
    return this.ended;
  }
}

/** Runs a script, and prints what it returns. */
export async function script(work) {
  const result = await work(input);
  process.stdout.write(JSON.stringify(result));
}
