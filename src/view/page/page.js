// The page as a whole: its data, time, tabs, theme and keyboard. The other scripts add their functions to `page`.
//
// All texts come from manifests, logs and daemons, so they only ever become text nodes and attributes.
const page = {
  data: JSON.parse(document.getElementById('data').textContent),
  /** What happened so far: rows by image, spans, messages. Replaced or patched by a live page. */
  history: null,
  tab: 'graph',
  /** All states; of the images of a directory, the last one counts. */
  states: ['fresh', 'pushed', 'built', 'cancelled', 'skipped', 'tag', 'push', 'build', 'waiting', 'running', 'failed'],
  /** What happens on start, in the order of the scripts. */
  starts: [],
};
page.history = page.data.history;
page.images = new Map(page.data.graph.images.map((image) => [image.image, image]));

page.at = (id) => document.getElementById(id);

/** An element with attributes, listeners (`onclick`) and children, which are elements or texts. */
page.element = (name, attributes, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

/** `0.4 s`, `12.3 s`, `2 min 03 s`, `1 h 02 min`. */
page.seconds = (seconds) => {
  const two = (number) => String(number).padStart(2, '0');
  if (seconds < 59.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(whole % 60)} s`;
};

/** `512 B`, `7.34 kB`, `820 MB`: as Docker prints sizes. */
page.size = (bytes) => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const rounded = Number(bytes.toPrecision(3));
  const unit = rounded < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(rounded) / 3));
  return `${Number((bytes / 1000 ** unit).toPrecision(3))} ${units[unit]}`;
};

page.count = (count, thing) => `${count.toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`;

/** What a map of images has for an image, which may be called `constructor`; `null` if nothing. */
page.own = (map, id) => (map && Object.hasOwn(map, id) ? map[id] : null);

/** The row of an image in the run, if the page shows one. */
page.row = (id) => page.own(page.history?.images, id);

/** The state of an image: in the run, else as planned; `null` if nothing is known. */
page.state = (id) => page.row(id)?.state ?? page.images.get(id)?.state ?? null;

/** The run's time in seconds; goes on between the messages of a live page. */
page.now = () => {
  const { at } = page.history ?? { at: 0 };
  if (page.clock?.at !== at) page.clock = { at, heard: performance.now() };
  const goesOn = page.data.live && page.history?.activity !== 'ended';
  return goesOn ? at + (performance.now() - page.clock.heard) / 1000 : at;
};

/** Puts the selected image into the address, so that a link or a reload leads to it. */
page.setAddress = (id) => {
  const place = id === null ? location.pathname : `#${encodeURIComponent(id)}`;
  try {
    history.replaceState(null, '', place);
  } catch {
    // A page opened as a file may not change its address.
  }
};

page.isNarrow = () => matchMedia('(max-width: 720px)').matches;

page.isCalm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Opens the graph or the timeline. */
page.open = (tab) => {
  page.tab = tab;
  document.body.dataset.tab = tab;
  for (const name of ['graph', 'timeline']) {
    const button = page.at(`tab-${name}`);
    button.setAttribute('aria-selected', String(name === tab));
    button.tabIndex = name === tab ? 0 : -1;
    page.at(name).hidden = name !== tab;
  }
  if (tab === 'timeline') page.showTimeline();
  else page.camera.resized();
};

/** Shows everything that changes in a run: all boxes, counts, messages, activity. */
page.showAll = () => {
  page.now();
  page.at('tabs').hidden = !page.history;
  page.showActivity();
  page.showMessages();
  page.graph.showStates();
  page.panel.refresh();
  if (page.tab === 'timeline') page.showTimeline();
};

page.showActivity = () => {
  const place = page.at('activity');
  place.hidden = !page.history;
  if (!page.history) return;
  const { activity } = page.history;
  const counts = page.counts();
  const running = counts.get('running') ?? 0;
  const parts = [activity === 'waiting' ? 'watching' : activity];
  if (running > 0) parts.push(`${running} running`);
  if (counts.get('waiting')) parts.push(`${counts.get('waiting')} waiting`);
  if (activity === 'ended') parts.push(page.seconds(page.history.at));
  const text = parts.join(' · ');
  // A status that is set again is read aloud again.
  if (place.textContent !== text) place.textContent = text;
  place.className = counts.get('failed') ? 'failed' : activity;
};

page.showMessages = () => {
  const place = page.at('messages');
  const messages = page.history?.messages ?? [];
  place.hidden = messages.length === 0;
  if (messages.length === 0) return;
  const last = messages[messages.length - 1];
  place.querySelector('summary').textContent =
    messages.length === 1 ? last.text : `${last.text} (and ${messages.length - 1} before)`;
  const line = (message) =>
    page.element('li', null, page.element('time', null, page.seconds(message.at)), message.text);
  place.querySelector('ol').replaceChildren(...messages.map(line));
};

/** How many images are in each state. */
page.counts = () => {
  const counts = new Map();
  for (const id of page.images.keys()) {
    const state = page.state(id);
    if (state) counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
};

/** Copies a text, also in a page opened as a file, where the modern way may be denied. */
page.copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = page.element('textarea', { class: 'aside', 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
};

const themes = ['auto', 'light', 'dark'];
const icons = {
  auto: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 1 1 0 11',
  light:
    'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M3 13l1.1-1.1M11.9 4.1 13 3',
  dark: 'M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z',
};
const words = { auto: 'as the system', light: 'light', dark: 'dark' };

const showTheme = () => {
  const { theme } = document.documentElement.dataset;
  const space = 'http://www.w3.org/2000/svg';
  const icon = document.createElementNS(space, 'svg');
  const path = document.createElementNS(space, 'path');
  icon.setAttribute('viewBox', '0 0 16 16');
  icon.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', icons[theme]);
  if (theme === 'auto') path.setAttribute('class', 'half');
  icon.append(path);
  const button = page.at('theme');
  button.replaceChildren(icon);
  button.title = `Theme: ${words[theme]} (t)`;
  button.setAttribute('aria-label', button.title);
};

const nextTheme = () => {
  const root = document.documentElement;
  root.dataset.theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
  try {
    localStorage.setItem('imgspec-theme', root.dataset.theme);
  } catch {
    // A page opened as a file may be denied storage; the theme then holds until it is closed.
  }
  showTheme();
};

const showAbout = () => {
  const folders = new Set(page.data.graph.images.map((image) => image.folder)).size;
  const parts = [page.count(page.images.size, 'image')];
  if (folders > 1) parts.push(`${folders.toLocaleString('en')} directories`);
  const made = new Date(page.data.made);
  if (!page.data.live && !Number.isNaN(made.valueOf())) {
    parts.push(made.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }));
  }
  page.at('about').textContent = parts.join(' · ');
};

const shortcuts = {
  '/': () => page.at('search').focus(),
  '+': () => page.camera.zoomBy(1.3),
  '=': () => page.camera.zoomBy(1.3),
  '-': () => page.camera.zoomBy(1 / 1.3),
  0: () => page.camera.fit(),
  '?': () => page.at('help').showModal(),
  d: () => page.graph.toggleView(),
  t: nextTheme,
  Escape: () => page.graph.clear(),
};

const pressed = (event) => {
  const isTyping = event.target.closest?.('input, textarea, select, dialog[open]');
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = shortcuts[event.key];
  if (!action || (page.tab !== 'graph' && !['?', 't', '/', 'Escape'].includes(event.key))) return;
  event.preventDefault();
  action();
};

const openAddress = () => {
  if (!location.hash) return;
  try {
    page.graph.select(decodeURIComponent(location.hash.slice(1)), { isCentred: true });
  } catch (error) {
    // Anyone can write an address that encodes nothing.
    if (!(error instanceof URIError)) throw error;
  }
};

page.start = () => {
  showAbout();
  showTheme();
  page.at('theme').addEventListener('click', nextTheme);
  const help = page.at('help');
  // Beside the dialog.
  help.addEventListener('click', (event) => event.target === help && help.close());
  page.at('help-open').addEventListener('click', () => help.showModal());
  for (const name of ['graph', 'timeline']) {
    const button = page.at(`tab-${name}`);
    const other = page.at(name === 'graph' ? 'tab-timeline' : 'tab-graph');
    button.addEventListener('click', () => page.open(name));
    button.addEventListener('keydown', (event) => {
      if (!['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
      event.stopPropagation();
      other.focus();
      other.click();
    });
  }
  document.addEventListener('keydown', pressed);
  for (const start of page.starts) start();
  page.showAll();
  if (page.data.tab === 'timeline' && page.history) page.open('timeline');
  openAddress();
};
