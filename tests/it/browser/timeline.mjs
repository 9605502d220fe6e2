// Uses the timeline of a page as a person would, and returns what was seen.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import { input, withBrowser } from './driver.mjs';

const { file, image } = input();
await withBrowser(async (browser) => {
  const seen = { trouble: [], requests: [] };
  const open = async (path) => {
    const page = await browser.newPage({ viewport: { width: 1200, height: 700 } });
    page.on('console', (message) => { if (message.type() === 'error') seen.trouble.push(message.text()); });
    page.on('pageerror', (error) => seen.trouble.push(String(error)));
    page.on('request', (request) => { if (/^(https?|ws|ftp)/.test(request.url())) seen.requests.push(request.url()); });
    await page.goto(pathToFileURL(path).href);
    await page.locator('#timeline canvas').waitFor();
    return page;
  };
  const saved = async (page, name) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
    const path = `${file}.${download.suggestedFilename()}`;
    await download.saveAs(path);
    return { name: download.suggestedFilename(), path };
  };
  /** The picture, as the browser drew it. */
  const picture = (page) => page.evaluate(() => new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(document.querySelector('#timeline canvas').toDataURL())));
  }));

  /** Whether the picture becomes another one, or the same one, within some seconds: a busy machine draws late. */
  const becomes = async (page, before, isSame) => {
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await picture(page) === before) === isSame) return true;
      await page.waitForTimeout(50);
    }
    return false;
  };

  const page = await open(file);
  const canvas = page.locator('#timeline canvas');
  seen.about = await page.locator('#timeline-about').textContent();
  const first = await picture(page);

  // The first lane, from shortly after the start on: on a busy machine a build begins late.
  const place = { x: 90, y: 43 };
  seen.tip = '';
  for (; place.x < 900; place.x += 15) {
    await canvas.hover({ position: place });
    seen.tip = await page.locator('#timeline .tip').innerText();
    if (seen.tip) break;
  }
  await canvas.click({ position: place });
  seen.panel = await page.locator('#panel').innerText();
  await page.keyboard.press('Escape');

  await page.mouse.wheel(0, -400);
  seen.zooms = await becomes(page, first, false);
  const zoomed = await picture(page);
  await page.mouse.down();
  await page.mouse.move(150, 300, { steps: 4 });
  await page.mouse.up();
  seen.pans = await becomes(page, zoomed, false);
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.mouse.move(600, 600);
  await canvas.blur();
  seen.fits = await becomes(page, first, true);

  await canvas.focus();
  await page.keyboard.press('End');
  seen.last = await page.locator('#timeline [role=status]').textContent();
  await page.keyboard.press('Enter');
  seen.selected = await page.locator('#panel').innerText();
  await page.keyboard.press('Escape');

  await page.emulateMedia({ colorScheme: 'dark' });
  seen.themes = await becomes(page, first, false);

  await page.getByRole('button', { name: 'Table' }).click();
  seen.table = await page.locator('#timeline tbody tr').allInnerTexts();
  seen.trace = JSON.parse(readFileSync((await saved(page, 'Save trace')).path, 'utf8'));
  const copy = await saved(page, 'Save page');
  seen.name = copy.name;

  const again = await open(copy.path);
  seen.aboutAgain = await again.locator('#timeline-about').textContent();
  await again.getByRole('tab', { name: 'Graph' }).click();
  await again.locator(`#stage g[data-image="${image}"]`).click();
  seen.panelAgain = await again.locator('#panel').innerText();
  return seen;
});
