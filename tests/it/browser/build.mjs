// The live page of builds: it shows the end of one, and finds the next.

import { input, withBrowser } from './driver.mjs';
import { starter } from './program.mjs';

const start = starter(input());

await withBrowser(async (browser) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  const state = (id, state) => page.locator(`#canvas [data-image="${id}"].${state}`).waitFor();

  const first = await start('graph', 'build');
  await page.goto(first.address);
  await state('base', 'running');
  const code = await first.ended;
  await Promise.all(['base', 'train', 'serve'].map((id) => state(id, 'built')));
  await page.getByText(/^ended/).waitFor();
  await page.getByRole('tab', { name: 'Timeline' }).click();
  const rows = await page.evaluate(() => page.history.spans.map((span) => [span.image, span.worker]));
  const critical = await page.evaluate(() => page.data.critical);
  const isDrawn = await page.locator('#timeline').innerText();
  await page.getByRole('tab', { name: 'Graph' }).click();

  const edition = await page.evaluate(() => page.data.live.edition);
  const second = await start('graph', 'build', '--force');
  const isSame = first.address === second.address;
  await page.waitForFunction((edition) => page.data.live.edition !== edition, edition);
  await second.ended;
  await Promise.all(['base', 'train', 'serve'].map((id) => state(id, 'built')));
  await page.getByText(/^ended/).waitFor();
  return { code, rows, critical, isDrawn: isDrawn.length > 0, isSame, errors };
});
