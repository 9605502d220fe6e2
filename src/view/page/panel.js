// The panel beside the picture: everything that is known about the selected image.
page.panel = (() => {
  const panel = page.at('panel');
  const { element } = page;
  /** The image that is shown, or `null`. */
  let shown = null;
  /** The directory that is shown instead, or `null`. */
  let folder = null;
  /** What had the focus before the panel was opened. */
  let before = null;
  /** Details that a live page has fetched, by image. */
  const fetched = new Map();

  const copyButton = (text, what) => {
    const button = element('button', { type: 'button', class: 'copies', 'aria-label': `Copy ${what}` }, 'Copy');
    button.addEventListener('click', async () => {
      await page.copy(text);
      button.textContent = 'Copied';
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 1500);
    });
    return button;
  };

  const section = (title, ...content) => element('section', null, element('h3', null, title), ...content);

  /** A section that can be folded. */
  const folded = (title, isOpen, ...content) =>
    element('details', { open: isOpen }, element('summary', null, element('h3', null, title)), ...content);

  const facts = (pairs) =>
    element(
      'dl',
      { class: 'facts' },
      pairs
        .filter(([, value]) => value)
        .map(([name, value]) => element('div', null, element('dt', null, name), element('dd', null, value))),
    );

  /** A long word that may be copied, on one line. */
  const code = (text, what) =>
    element('span', { class: 'code' }, element('code', { title: text }, text), copyButton(text, what));

  const link = (id, kind) =>
    element(
      'button',
      {
        type: 'button',
        class: `link ${kind}`,
        title: id,
        onclick: () => page.graph.select(id, { isFocused: true }),
      },
      element('i', { class: `dot ${page.state(id) ?? 'plain'}` }),
      id,
    );

  /** The images on one side: the next ones first, then what lies behind them. */
  const related = (title, kind, near, all) => {
    if (all.size === 0) return null;
    const far = [...all].filter((id) => !near.includes(id));
    const most = 24;
    const list = element(
      'div',
      { class: 'links' },
      near.slice(0, most).map((id) => link(id, kind)),
    );
    const rest = [...near.slice(most), ...far];
    const more =
      rest.length === 0
        ? null
        : element(
            'details',
            { class: 'more' },
            element(
              'summary',
              null,
              far.length === rest.length
                ? `${far.length} more behind ${near.length === 1 ? 'it' : 'them'}`
                : `${rest.length} more`,
            ),
            element(
              'div',
              { class: 'links' },
              rest.map((id) => link(id, kind)),
            ),
          );
    const heading = element('h3', { class: kind }, `${title} `, element('span', { class: 'count' }, String(all.size)));
    return element('section', null, heading, list, more);
  };

  const inputs = (detail, id) => {
    const row = ({ name, value }) =>
      element('tr', null, element('th', { scope: 'row' }, name), element('td', null, value));
    const count = detail.inputs.length + detail['more-inputs'];
    const more =
      detail['more-inputs'] === 0
        ? null
        : element(
            'p',
            { class: 'dim' },
            `and ${page.count(detail['more-inputs'], 'input')} more; imgspec explain ${id} lists them`,
          );
    return folded(
      `Inputs (${count.toLocaleString('en')})`,
      count <= 8,
      element('table', null, element('tbody', null, detail.inputs.map(row))),
      more,
    );
  };

  const date = (text) => {
    const date = new Date(text);
    return Number.isNaN(date.valueOf())
      ? text
      : date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  };

  const build = (built) =>
    section(
      'Last build',
      facts([
        ['took', page.seconds(built.seconds)],
        ['size', built.size !== null && page.size(built.size)],
        ['finished', date(built.finished)],
        ['with', built.backend],
        ['digest', built.digest && code(built.digest, 'the digest')],
        ['key', built['is-current'] ? 'the current one' : 'an older one'],
      ]),
    );

  /** What the run says: step, time, why. */
  const run = (row) => {
    const rest = row.cached > 0 ? `${page.count(row.cached, 'step')} cached` : null;
    const step =
      row.step &&
      (row.step.number > 0 && row.step.of > 0
        ? `${row.step.number} of ${row.step.of}: ${row.step.name}`
        : row.step.name);
    const took =
      row.state === 'running'
        ? element('span', { id: 'panel-time' }, time(row))
        : row.seconds !== null && page.seconds(row.seconds);
    return section(
      'This run',
      facts([
        ['step', step],
        [row.state === 'running' ? 'for' : 'took', took],
        ['note', row.note],
        ['cache', rest],
        ['failed at', row.place],
        ['digest', row.digest && code(row.digest, 'the digest')],
        ['whole log', row.log],
      ]),
    );
  };

  const time = (row) => page.seconds(Math.max(0, Math.floor(page.now() - row.since))).replace('.0 s', ' s');

  const log = (id, detail, row) => {
    const lines = row && row.lines.length > 0 ? row.lines : (detail?.log ?? []);
    const isOpen = ['running', 'failed'].includes(page.state(id));
    const text = element('pre', { id: 'panel-log', tabindex: '0', 'aria-label': 'Log' }, lines.join('\n'));
    const part = folded('End of the log', isOpen, text);
    part.hidden = lines.length === 0;
    part.addEventListener('toggle', () => {
      text.scrollTop = text.scrollHeight;
    });
    return part;
  };

  const outside = (detail) => {
    if (detail.outside.length === 0) return null;
    const line = ({ name, locked }) => [name, locked ?? 'floating: not pinned by imgspec.lock'];
    return folded('Images from outside', true, facts(detail.outside.map(line)));
  };

  const title = (text) =>
    element(
      'div',
      { class: 'title' },
      element('h2', { tabindex: '-1' }, text),
      element(
        'button',
        {
          type: 'button',
          class: 'icon',
          'aria-label': 'Close',
          title: 'Close (Esc)',
          onclick: () => page.graph.clear(),
        },
        '×',
      ),
    );

  const head = (id, image, detail, row) => {
    const state = page.state(id);
    const reference = row?.reference ?? detail?.reference ?? image.reference;
    return [
      title(id),
      element(
        'p',
        { class: 'badges' },
        state && element('span', { class: `badge ${state}` }, state),
        detail?.place && element('span', { class: 'dim' }, detail.place),
        !detail?.place && image.folder !== '.' && element('span', { class: 'dim' }, image.folder),
      ),
      reference && code(reference, 'the reference'),
    ];
  };

  const content = (id) => {
    const image = page.images.get(id);
    const detail = page.data.details ? page.own(page.data.details, id) : fetched.get(id);
    const row = page.row(id);
    const reasons = detail?.reasons.length > 0 ? detail.reasons : [image.note].filter(Boolean);
    return [
      ...head(id, image, detail, row),
      reasons.length > 0 &&
        !row &&
        section(
          'Why',
          element(
            'ul',
            { class: 'reasons' },
            reasons.map((reason) => element('li', null, reason)),
          ),
        ),
      row && run(row),
      related('Built on', 'under', page.graph.needs(id), page.graph.allNeeds(id)),
      related('Built on it', 'over', page.graph.users(id), page.graph.allUsers(id)),
      log(id, detail, row),
      detail?.built && build(detail.built),
      detail && folded('Spec', true, element('pre', { tabindex: '0', 'aria-label': 'Spec' }, detail.spec)),
      detail && section('Key', code(detail.key, 'the key')),
      detail && outside(detail),
      detail && inputs(detail, id),
      !detail && element('p', { class: 'dim', role: 'status' }, 'Loading details …'),
    ].filter(Boolean);
  };

  /** The images of a directory, by state. */
  const folderContent = (folder) => {
    const all = page.graph.members(folder);
    const states = [...page.states].reverse().concat(null);
    const part = (state) => {
      const ids = all.filter((id) => page.state(id) === state);
      if (ids.length === 0) return null;
      const heading = element(
        'h3',
        null,
        state ?? 'images',
        ' ',
        element('span', { class: 'count' }, String(ids.length)),
      );
      return element(
        'section',
        null,
        heading,
        element(
          'div',
          { class: 'links' },
          ids.map((id) => link(id, 'plain')),
        ),
      );
    };
    return [
      title(folder),
      element('p', { class: 'badges dim' }, page.count(all.length, 'image')),
      ...states.map(part),
    ].filter(Boolean);
  };

  const fill = () => {
    const open = new Map(
      [...panel.querySelectorAll('details')].map((it) => [it.querySelector('summary').textContent, it.open]),
    );
    const top = panel.scrollTop;
    panel.replaceChildren(...(folder === null ? content(shown) : folderContent(folder)));
    return { open, top };
  };

  const showLogEnd = () => {
    const text = page.at('panel-log');
    if (text) text.scrollTop = text.scrollHeight;
  };

  /** Draws the panel again, with what is unfolded as it was. */
  const again = () => {
    const hadFocus = panel.contains(document.activeElement);
    const { open, top } = fill();
    for (const it of panel.querySelectorAll('details')) {
      const was = open.get(it.querySelector('summary').textContent);
      if (was !== undefined) it.open = was;
    }
    panel.scrollTop = top;
    showLogEnd();
    if (hadFocus) panel.querySelector('h2').focus({ preventScroll: true });
  };

  const fetchDetail = async (id) => {
    try {
      const answer = await fetch(`detail/${encodeURIComponent(id)}`);
      if (!answer.ok) throw new Error(answer.statusText);
      fetched.set(id, await answer.json());
    } catch {
      if (shown === id)
        panel
          .querySelector('p[role=status]')
          ?.replaceChildren('The details cannot be loaded; does the program still run?');
      return;
    }
    if (shown === id) again();
  };

  const begin = () => {
    if (panel.hidden) before = document.activeElement;
    panel.hidden = false;
    panel.setAttribute('aria-label', folder === null ? 'Details of the selected image' : 'Images of the directory');
    fill();
    panel.scrollTop = 0;
  };

  const showFolder = (name) => {
    [shown, folder] = [null, name];
    begin();
  };

  const show = (id) => {
    [shown, folder] = [id, null];
    begin();
    showLogEnd();
    if (!page.data.details) fetchDetail(id);
  };

  const close = () => {
    const hadFocus = panel.contains(document.activeElement);
    [shown, folder] = [null, null];
    panel.hidden = true;
    panel.replaceChildren();
    if (hadFocus) before?.focus?.({ preventScroll: true });
  };

  /** The row of an image changed. A build that ended has other details. */
  const changed = (id) => {
    if (folder !== null && page.images.get(id)?.folder === folder) again();
    if (shown !== id) return;
    again();
    const hasEnded = page.state(id) !== 'running' && page.state(id) !== 'waiting';
    if (!page.data.details && hasEnded) fetchDetail(id);
  };

  const ticked = (id) => {
    const place = page.at('panel-time');
    if (shown === id && place && page.row(id)) place.textContent = time(page.row(id));
  };

  const addLine = (id, line) => {
    if (shown !== id) return;
    const text = page.at('panel-log');
    const isAtEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 8;
    const lines = text.childNodes.length;
    text.closest('details').hidden = false;
    text.append(lines === 0 || text.textContent === '' ? line : `\n${line}`);
    while (text.childNodes.length > 400) text.firstChild.remove();
    if (isAtEnd) text.scrollTop = text.scrollHeight;
  };

  return {
    show,
    showFolder,
    close,
    changed,
    ticked,
    addLine,
    refresh: () => {
      if (!panel.hidden) again();
    },
  };
})();

/** Shows one more line of an image's output, if the image is selected. */
page.addLine = (id, line) => page.panel.addLine(id, line);
