// A Chromium for scripts of the tests: started once, on a page of the script's own.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const modules = createRequire(`${process.env.IMGSPEC_TEST_BROWSER}/`);

/** The path of a file in an installed package. */
export const file = (path) => modules.resolve(path);

/** The value that the test has passed. */
export const input = () => JSON.parse(readFileSync(0, 'utf8'));

/** Runs `work` with a browser, and prints what it returns. */
export async function withBrowser(work) {
  const { chromium } = modules('playwright-core');
  const browser = await chromium.launch({
    executablePath: process.env.IMGSPEC_TEST_CHROMIUM,
    // Tests may run as root, where Chromium has no sandbox, and where /dev/shm is small.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    process.stdout.write(JSON.stringify(await work(browser)));
  } finally {
    await browser.close();
  }
}
