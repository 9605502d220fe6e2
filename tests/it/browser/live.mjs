// The live page through a whole watch: what a user sees while images are built, files are edited, the program is killed and
// started again.

import { appendFileSync, writeFileSync } from 'node:fs';

import { input, withBrowser } from './driver.mjs';
import { starter } from './program.mjs';

const { folder, manifest, ...program } = input();
const start = starter({ folder, ...program });
const watch = (...flags) => start('watch', ...flags);
const PATIENCE = 60_000;

await withBrowser(async (browser) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const errors = [];
  const elsewhere = [];
  let isGone = false;
  page.on('pageerror', (error) => errors.push(String(error)));
  // While nobody listens, the browser itself notes each attempt to connect.
  page.on('console', (message) => {
    if (message.type() === 'error' && !isGone) errors.push(message.text());
  });

  let running = await watch('--ui-control');
  const { origin } = new URL(running.address);
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) elsewhere.push(request.url());
  });
  const box = (id) => page.locator(`#canvas [data-image="${id}"]`);
  const state = (id, state) => page.locator(`#canvas [data-image="${id}"].${state}`).waitFor();
  const all = (ids, name) => Promise.all(ids.map((id) => state(id, name)));
  const text = (id, pattern) => page.waitForFunction(
    ([id, pattern]) => new RegExp(pattern).test(document.querySelector(`#canvas [data-image="${id}"]`)?.textContent),
    [id, pattern],
  );

  try {
    await page.goto(running.address);
    await page.evaluate(() => { window.isSame = true; });
    await state('base', 'running');
    await text('base', 'step 1/\\d+ · \\d+ s');
    await all(['base', 'train', 'serve'], 'built');

    // An edit builds what it concerns, and the open panel shows the output as it comes.
    await box('train').click();
    await page.locator('#panel summary', { hasText: 'log' }).click();
    appendFileSync(`${folder}/src/train.py`, '\n# edited\n');
    await state('train', 'running');
    await page.locator('#panel').getByText('pretending to build train').waitFor();
    await state('train', 'built');
    const untouched = await box('serve').getAttribute('class');
    const spans = await page.evaluate(() => document.documentElement.dataset.connection);

    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Rebuild' }).click();
    await state('train', 'running');
    await state('train', 'built');
    const isSame = await page.evaluate(() => window.isSame === true);

    // Another graph is another document, with the same image selected.
    appendFileSync(`${folder}/imgspec.kdl`, manifest);
    await box('added').waitFor();
    await state('added', 'built');
    await page.locator('#panel h2', { hasText: 'train' }).waitFor();

    // A manifest with mistakes changes nothing that is drawn, but is told.
    appendFileSync(`${folder}/imgspec.kdl`, '\nimage "broken" {\n');
    await page.locator('#messages').getByText('the manifests have errors').first().waitFor();

    isGone = true;
    await running.end('SIGKILL');
    await page.getByText('not connected').waitFor();
    const isDisabled = await page.getByRole('button', { name: 'Rebuild' }).isDisabled();
    writeFileSync(`${folder}/imgspec.kdl`, manifest);
    running = await watch();
    await page.waitForFunction(() => document.querySelectorAll('#canvas [data-image]').length === 1);
    await page.waitForFunction(() => document.documentElement.dataset.connection === 'live');
    const hasButtons = await page.getByRole('button', { name: 'Rebuild' }).count();
    await running.end('SIGINT');
    await page.getByText('ended').first().waitFor();
    return { untouched, connection: spans, isSame, isDisabled, hasButtons, errors, elsewhere };
  } catch (error) {
    const shown = await page.locator('body').innerText().catch(() => '');
    throw new Error(`${error.message}\nthe page shows:\n${shown}\nerrors: ${errors.join('\n')}`);
  } finally {
    await running.end('SIGKILL').catch(() => {});
  }
});
