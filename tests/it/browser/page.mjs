// A page of the graph, used as people do: with mouse, wheel and keyboard. Whatever is not as it must be ends the script.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { input, withBrowser } from './driver.mjs';

const { detail, ...files } = input();
/** Where a live page seems to be. */
const SITE = 'http://page.test/';

await withBrowser(async (browser) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const complaints = [];
  const asked = new Set();
  context.on('request', (request) => asked.add(request.url()));
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  context.on('weberror', (error) => complaints.push(String(error.error())));
  context.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`));

  const open = async (path) => {
    const tab = await context.newPage();
    await tab.goto(path === files.live ? SITE : `file://${path}`);
    return tab;
  };
  await context.route(`${SITE}**`, (route) => {
    const path = route.request().url().slice(SITE.length);
    if (path === '') return route.fulfill({ contentType: 'text/html', body: readFileSync(files.live) });
    if (path === 'events') return route.fulfill({ contentType: 'text/event-stream', body: 'retry: 600000\n\n' });
    return route.fulfill({ json: path === 'detail/py' ? detail : { ...detail, reference: path } });
  });
  const box = (tab, id) => tab.locator(`#canvas [data-image="${id}"]`);
  const classes = async (tab, id) => (await box(tab, id).getAttribute('class')).split(' ');
  /** Where the picture is, once it has been at the same place for several frames. */
  const still = async (tab) => {
    let last = null;
    for (let [tries, same] = [0, 0]; tries < 200; tries += 1) {
      await tab.evaluate(
        () =>
          new Promise((done) => {
            requestAnimationFrame(() => requestAnimationFrame(done));
          }),
      );
      const now = JSON.stringify(await tab.locator('#canvas').boundingBox());
      same = now === last ? same + 1 : 0;
      if (same === 8) return JSON.parse(now);
      last = now;
    }
    throw new Error('the picture does not come to rest');
  };

  const tests = {
    selecting,
    searching,
    filtering,
    moving,
    touching,
    keyboard,
    theme,
    folders,
    hostile,
    running,
    narrow,
  };
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
    } catch (error) {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    }
  }
  assert.deepEqual(complaints, []);
  const own = Object.values(files).map((path) => `file://${path}`);
  own.push(...['', 'events', 'detail/py', 'detail/app'].map((path) => SITE + path));
  assert.deepEqual(
    [...asked].map((url) => url.split('#')[0]).filter((url) => !own.includes(url)),
    [],
  );
  return firstPaints();

  async function selecting() {
    const tab = await open(files.plain);
    assert.equal(await tab.title(), 'shop · imgspec');
    assert.equal(await tab.locator('#panel').isVisible(), false);
    await box(tab, 'py').click();
    const panel = tab.locator('#panel');
    assert.equal(await panel.locator('h2').textContent(), 'py');
    const text = await panel.textContent();
    for (const part of [
      'imgspec.kdl:7:1',
      'r:5000/py:0a1b',
      'a reason',
      'image "py" {',
      '12.5 s',
      '820 MB',
      'last line',
      'and 7 inputs more',
    ]) {
      assert.ok(text.includes(part), part);
    }
    assert.ok((await classes(tab, 'py')).includes('selected'));
    assert.ok((await classes(tab, 'os')).includes('under'));
    assert.ok((await classes(tab, 'app')).includes('over'));
    assert.ok((await classes(tab, 'docs')).includes('dim') && (await classes(tab, 'tools')).includes('dim'));
    assert.equal(await tab.locator('#canvas path.under').count(), 2, 'a line and its tip');
    assert.equal(await tab.locator('#canvas path.over').count(), 2);
    // What is behind what it needs can be reached from there.
    await panel.getByRole('button', { name: 'app' }).click();
    assert.equal(await panel.locator('h2').textContent(), 'app');
    assert.equal(await panel.locator('h3.under .count').textContent(), '3');
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await panel.getByRole('button', { name: 'Copy the reference' }).click();
    await panel.getByText('Copied').waitFor();
    assert.equal(await tab.evaluate(() => navigator.clipboard.readText()), 'r:5000/app:0a1b');
    assert.ok(tab.url().endsWith('#app'));
    await tab.reload();
    assert.equal(await panel.locator('h2').textContent(), 'app', 'the address leads to it');
    await panel.getByRole('button', { name: 'Close' }).click();
    assert.equal(await panel.isVisible(), false);
    assert.equal(await tab.locator('#canvas .dim').count(), 0);
    await tab.close();
  }

  async function searching() {
    const tab = await open(files.many);
    await tab.keyboard.press('/');
    await tab.keyboard.type('i-77');
    const results = tab.getByRole('option');
    assert.equal(await results.first().textContent(), 'i-77team-17');
    assert.ok((await results.count()) > 5);
    await tab.keyboard.press('Enter');
    await still(tab);
    assert.equal(await tab.locator('#panel h2').textContent(), 'i-77');
    const found = await box(tab, 'i-77').boundingBox();
    const stage = await tab.locator('#stage').boundingBox();
    assert.ok(Math.abs(found.x + found.width / 2 - stage.x - stage.width / 2) < 40, 'in the middle');
    assert.ok(Math.abs(found.y + found.height / 2 - stage.y - stage.height / 2) < 40, 'in the middle');
    // By directory, and by part of a reference; nothing is said to be nothing.
    for (const [words, count] of [
      ['team-3', 41],
      ['r:5000/i-999', 1],
      ['nowhere', 1],
    ]) {
      await tab.locator('#search').fill(words);
      assert.equal(await tab.locator('#results li').count(), count, words);
    }
    assert.equal(await tab.locator('#results').textContent(), 'No image found');
    await tab.keyboard.press('Escape');
    assert.equal(await tab.locator('#results').isVisible(), false);
    await tab.close();
  }

  async function filtering() {
    const tab = await open(files.plain);
    const chip = (name) => tab.locator('#chips').getByRole('button', { name });
    assert.match(await chip('build').textContent(), /2$/);
    assert.equal(await chip('running').count(), 0);
    await chip('build').click();
    assert.equal(await chip('build').getAttribute('aria-pressed'), 'true');
    assert.equal(await tab.locator('#canvas g.image:not(.dim)').count(), 2);
    await chip('fresh').click();
    assert.equal(await tab.locator('#canvas g.image:not(.dim)').count(), 5);
    await tab.keyboard.press('Escape');
    assert.equal(await chip('build').getAttribute('aria-pressed'), 'false');
    assert.equal(await tab.locator('#canvas .dim').count(), 0);
    await tab.close();
  }

  async function moving() {
    const tab = await open(files.many);
    await tab.locator('#group-images').click();
    const before = await still(tab);
    const stage = await tab.locator('#stage').boundingBox();
    const [x, y] = [stage.x + stage.width / 2, stage.y + stage.height / 2];
    await tab.evaluate(() => {
      window.changes = 0;
      const observer = new MutationObserver((records) => {
        window.changes += records.length;
      });
      const all = { attributes: true, childList: true, characterData: true, subtree: true };
      observer.observe(document.querySelector('#canvas svg'), all);
    });
    await tab.mouse.move(x, y);
    await tab.mouse.wheel(0, -300);
    const near = await still(tab);
    assert.ok(near.width > before.width * 1.2, 'the wheel zooms in');
    await tab.mouse.down();
    await tab.mouse.move(x + 90, y + 40, { steps: 6 });
    await tab.mouse.up();
    const moved = await still(tab);
    assert.ok(Math.abs(moved.x - near.x - 90) < 3 && Math.abs(moved.y - near.y - 40) < 3, 'a drag moves');
    assert.equal(await tab.locator('#panel').isVisible(), false, 'a drag is no click');
    await tab.locator('#zoom-out').click();
    assert.ok((await still(tab)).width < moved.width);
    await tab.keyboard.press('+');
    await tab.keyboard.press('0');
    const whole = await still(tab);
    assert.ok(Math.abs(whole.width - before.width) < 2, 'all is shown again');
    assert.equal(await tab.evaluate(() => window.changes), 0, 'moving changes no box');
    await tab.close();
  }

  async function touching() {
    const hand = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    const tab = await hand.newPage();
    tab.on('pageerror', (error) => complaints.push(String(error)));
    await tab.goto(`file://${files.plain}`);
    await box(tab, 'py').tap();
    assert.equal(await tab.locator('#panel h2').textContent(), 'py');
    const before = await still(tab);
    const driver = await hand.newCDPSession(tab);
    const touch = async (type, ...places) => {
      const touchPoints = places.map(([x, y], id) => ({ x, y, id }));
      await driver.send('Input.dispatchTouchEvent', { type, touchPoints });
      await tab.waitForTimeout(20);
    };
    await touch('touchStart', [150, 250], [220, 250]);
    for (let far = 6; far <= 60; far += 6) await touch('touchMove', [150 - far, 250], [220 + far, 250]);
    await touch('touchEnd');
    const near = await still(tab);
    assert.ok(near.width > before.width * 1.2, 'two fingers zoom');
    await touch('touchStart', [150, 250]);
    for (let far = 6; far <= 60; far += 6) await touch('touchMove', [150 + far, 250]);
    await touch('touchEnd');
    assert.ok(Math.abs((await still(tab)).x - near.x - 60) < 3, 'one finger moves');
    await hand.close();
  }

  async function keyboard() {
    const tab = await open(files.plain);
    for (let tries = 0; tries < 30; tries += 1) {
      await tab.keyboard.press('Tab');
      if (await tab.evaluate(() => document.activeElement.closest('g.image') !== null)) break;
    }
    const focused = () => tab.evaluate(() => document.activeElement.dataset.image);
    assert.equal(await focused(), 'os');
    await tab.keyboard.press('ArrowRight');
    assert.ok(['py', 'tools'].includes(await focused()));
    await tab.keyboard.press('ArrowRight');
    assert.equal(await focused(), 'app');
    const stroke = await box(tab, 'app')
      .locator('rect')
      .evaluate((it) => getComputedStyle(it).strokeWidth);
    assert.ok(parseFloat(stroke) >= 2.4, 'the focus is seen');
    assert.match(await box(tab, 'app').getAttribute('aria-label'), /^app, build/);
    await tab.keyboard.press('Enter');
    assert.equal(await tab.locator('#panel h2').textContent(), 'app');
    await tab.keyboard.press('Escape');
    assert.equal(await tab.locator('#panel').isVisible(), false);
    await tab.keyboard.press('?');
    assert.ok(await tab.getByRole('dialog').isVisible());
    await tab.keyboard.press('Escape');
    assert.equal(await tab.getByRole('dialog').isVisible(), false);
    await tab.close();
  }

  async function theme() {
    // An address that encodes nothing.
    const tab = await open(`${files.plain}#%`);
    const ground = () => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await tab.emulateMedia({ colorScheme: 'dark' });
    const dark = await ground();
    await tab.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    assert.notEqual(dark, light);
    await tab.keyboard.press('t');
    assert.equal(await ground(), light);
    await tab.locator('#theme').click();
    assert.equal(await ground(), dark);
    await tab.reload();
    assert.equal(await ground(), dark, 'remembered');
    await tab.locator('#theme').click();
    assert.equal(await ground(), light, 'as the system');
    await tab.close();
  }

  async function folders() {
    const tab = await open(files.many);
    assert.equal(await tab.locator('#group-folders').getAttribute('aria-pressed'), 'true', 'many images');
    await tab.locator('#canvas [data-folder="team-7"]').click();
    assert.equal(await tab.locator('#group-images').getAttribute('aria-pressed'), 'true');
    const shown = tab.locator('#canvas g.image:not(.dim)');
    assert.equal(await shown.count(), 50);
    await still(tab);
    const stage = await tab.locator('#stage').boundingBox();
    for (const part of await shown.all()) {
      const { x, y } = await part.boundingBox();
      assert.ok(x >= stage.x && x <= stage.x + stage.width && y >= stage.y && y <= stage.y + stage.height);
    }
    assert.equal(await tab.locator('#panel .link').count(), 50);
    await tab.locator('#chips .scope').click();
    assert.equal(await tab.locator('#canvas .dim').count(), 0);
    await tab.keyboard.press('d');
    assert.equal(await tab.locator('#canvas [data-folder]').count(), 20);
    await tab.close();
  }

  async function hostile() {
    const tab = await open(files.hostile);
    const evil = await tab.evaluate(() => page.data.graph.images[0].image);
    assert.ok(evil.includes('</script>'));
    await tab.locator('#canvas g.image').first().click();
    const panel = tab.locator('#panel');
    assert.equal(await panel.locator('h2').textContent(), evil);
    assert.ok((await panel.locator('#panel-log').textContent()).includes(evil));
    for (const part of await panel.locator('details').all())
      await part.evaluate((it) => {
        it.open = true;
      });
    await tab.locator('#search').fill('onerror');
    assert.ok((await tab.getByRole('option').count()) > 0);
    await tab.evaluate((evil) => {
      page.history = { images: {}, spans: [], messages: [{ at: 1, text: evil }], activity: 'building', jobs: 1, at: 2 };
      page.history.images[page.data.graph.images[0].image] = {
        state: 'running',
        since: 1,
        reference: evil,
        step: { number: 1, of: 2, name: evil },
        note: evil,
        seconds: null,
        digest: evil,
        log: evil,
        place: evil,
        cached: 1,
        lines: [evil],
      };
      page.showAll();
      page.addLine(page.data.graph.images[0].image, evil);
    }, evil);
    assert.equal(await tab.locator('img, iframe, object, #panel script, main script').count(), 0);
    // Even what gets in as markup does not run: no image was asked for either, see the end.
    const tried = await tab.evaluate(() => {
      const place = document.createElement('div');
      place.innerHTML = '<b onclick="window.ran = 1">x</b>';
      document.body.append(place);
      place.firstChild.click();
      place.remove();
      return window.ran ?? null;
    });
    assert.equal(tried, null);
    const refused = complaints.splice(0).filter((text) => !/Content Security Policy/.test(text));
    assert.deepEqual(refused, []);
    await tab.close();
  }

  async function running() {
    const tab = await open(files.live);
    const note = (id) => box(tab, id).locator('.note').textContent();
    assert.ok((await classes(tab, 'os')).includes('built'));
    assert.equal(await note('os'), 'built · 12.5 s');
    assert.ok((await classes(tab, 'py')).includes('running'));
    assert.match(await note('py'), /^step 3\/7 · \d+ s$/);
    const first = await note('py');
    await tab.waitForFunction((first) => document.querySelector('[data-image=py] .note').textContent !== first, first);
    await box(tab, 'py').click();
    await tab.locator('#panel').getByText('image "py" {').waitFor();
    await tab.evaluate(() => page.addLine('py', 'one more line'));
    assert.match(await tab.locator('#panel-log').textContent(), /one more line$/);
    assert.ok(await tab.locator('#panel-log').isVisible(), 'the output of what runs is open');
    await tab.evaluate(() => {
      const { history } = page;
      history.at += 1;
      Object.assign(history.images.py, { state: 'failed', seconds: 3, note: 'a step failed', step: null });
      page.showRow('py');
    });
    await tab.waitForFunction(() => document.querySelector('[data-image=py]').classList.contains('failed'));
    assert.equal(await note('py'), 'failed · 3.0 s');
    assert.match(await tab.locator('#panel').textContent(), /a step failed/);
    const counts = await tab.locator('#chips button:visible').allTextContents();
    assert.deepEqual(counts.sort(), ['built 1', 'failed 1', 'waiting 1']);
    assert.equal(await tab.locator('#activity').getAttribute('class'), 'failed');
    assert.ok(await tab.locator('#tab-timeline').isVisible());
    await tab.evaluate(() => {
      page.history.activity = 'ended';
      page.history.messages = [{ at: 1, text: 'something to know' }];
      page.showAll();
    });
    assert.match(await tab.locator('#activity').textContent(), /^ended/);
    assert.equal(await tab.locator('#messages summary').textContent(), 'something to know');
    await tab.close();
  }

  async function narrow() {
    for (const [width, height] of [
      [390, 844],
      [1024, 700],
    ]) {
      const tab = await open(files.live);
      await tab.setViewportSize({ width, height });
      await box(tab, 'app').click();
      const panel = await tab.locator('#panel').boundingBox();
      assert.ok(panel.x >= 0 && panel.x + panel.width <= width && panel.y + panel.height <= height + 1);
      if (width < 700) assert.ok(panel.width === width && panel.y > height / 3, 'a sheet from below');
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} pixels in ${width}`);
      for (const control of await tab.locator('header button:visible, header input').all()) {
        const place = await control.boundingBox();
        assert.ok(place.x >= 0 && place.x + place.width <= width, await control.getAttribute('id'));
      }
      await tab.close();
    }
  }

  /** Milliseconds from the start of loading a page of many images until something of it is seen, and until all are: the best of three;
   * and of a loop that takes 30 on a machine with nothing else to do, at the same time. */
  async function firstPaints() {
    const [first, all, loop] = [[], [], []];
    for (let tries = 0; tries < 3; tries += 1) {
      const tab = await context.newPage();
      await tab.addInitScript(() => {
        const look = () =>
          requestAnimationFrame(() => {
            const isThere = document.querySelectorAll('#canvas g.image').length === 1000;
            // After the frame in which they are there.
            if (isThere)
              setTimeout(() => {
                window.drawn = performance.now();
              });
            else look();
          });
        look();
      });
      loop.push(
        await tab.evaluate(() => {
          const from = performance.now();
          let sum = 0;
          for (let at = 0; at < 2e7; at += 1) sum = (sum * 31 + at) | 0;
          return sum === 0.5 ? 0 : performance.now() - from;
        }),
      );
      await tab.goto(`file://${files.whole}`);
      await tab.waitForFunction(() => window.drawn);
      const entries = await tab.evaluate(() =>
        performance.getEntriesByName('first-contentful-paint').map((it) => it.startTime),
      );
      assert.equal(entries.length, 1);
      first.push(entries[0]);
      all.push(await tab.evaluate(() => window.drawn));
      await tab.close();
    }
    return {
      'first-paint': Math.min(...first),
      'all-drawn': Math.min(...all),
      loop: Math.min(...loop),
    };
  }
});
