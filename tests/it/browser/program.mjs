// Starts the program for scripts that look at its live page.

import { spawn } from 'node:child_process';

/** A function that starts a command with a live page, and waits until it has said where the page is. */
export const starter = ({ program, folder, environment }) => async (...words) => {
  const child = spawn(program, [...words, '--builder', 'fake', '--ui'], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const address = await new Promise((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (data) => {
      said += data;
      const found = /live page: (\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    ended.then(() => reject(new Error(`it ended: ${said}`)));
  });
  return {
    address,
    ended,
    async end(signal) {
      child.kill(signal);
      await ended;
    },
  };
};
