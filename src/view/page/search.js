// Finding images: the search field with its results, the states that are shown, and the legend.
page.search = (() => {
  const input = page.at('search');
  const list = page.at('results');
  const { element } = page;
  const most = 40;
  let found = [];
  let active = 0;

  /** How well an image fits the words: 0 if it does not, more the better. */
  const fit = (image, words) => {
    const places = [
      [image.image, 4],
      [image.folder, 2],
      [image.reference, 1],
    ];
    let sum = 0;
    for (const word of words) {
      let best = 0;
      for (const [text, weight] of places) {
        const at = text.toLowerCase().indexOf(word);
        if (at < 0) continue;
        const whole = text.length === word.length ? 3 : at === 0 ? 2 : 1;
        best = Math.max(best, weight * whole);
      }
      if (best === 0) return 0;
      sum += best;
    }
    return sum;
  };

  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const scored = words.length === 0 ? [] : page.data.graph.images.map((image) => [fit(image, words), image]);
    found = scored
      .filter(([score]) => score > 0)
      .sort((a, b) => b[0] - a[0] || a[1].image.length - b[1].image.length)
      .map(([, image]) => image);
    active = 0;
    showResults(words.length > 0);
  };

  const showResults = (isSearching) => {
    list.hidden = !isSearching;
    input.setAttribute('aria-expanded', String(isSearching));
    if (!isSearching) {
      input.removeAttribute('aria-activedescendant');
      list.replaceChildren();
      return;
    }
    const option = (image, at) =>
      element(
        'li',
        {
          role: 'option',
          id: `result-${at}`,
          'aria-selected': String(at === active),
          // Before the field loses the focus, which closes the list.
          onpointerdown: (event) => {
            event.preventDefault();
            choose(at);
          },
        },
        element('i', { class: `dot ${page.state(image.image) ?? 'plain'}` }),
        element('b', null, image.image),
        element('span', null, image.folder === '.' ? '' : image.folder),
      );
    const shown = found.slice(0, most).map(option);
    const rest = found.length - shown.length;
    const note = found.length === 0 ? 'No image found' : rest > 0 ? `and ${page.count(rest, 'image')} more` : null;
    list.replaceChildren(...shown, ...(note ? [element('li', { class: 'note', role: 'presentation' }, note)] : []));
    mark();
  };

  const mark = () => {
    for (const [at, option] of [...list.querySelectorAll('[role=option]')].entries()) {
      option.setAttribute('aria-selected', String(at === active));
      if (at === active) option.scrollIntoView({ block: 'nearest' });
    }
    if (found.length > 0) input.setAttribute('aria-activedescendant', `result-${active}`);
    else input.removeAttribute('aria-activedescendant');
  };

  const choose = (at) => {
    const image = found[at];
    if (!image) return;
    input.value = '';
    found = [];
    showResults(false);
    if (page.tab !== 'graph') page.open('graph');
    page.graph.select(image.image, { isCentred: true, isFocused: true });
  };

  const pressed = (event) => {
    const last = Math.min(found.length, most) - 1;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      active = Math.max(0, Math.min(last, active + (event.key === 'ArrowDown' ? 1 : -1)));
      mark();
    } else if (event.key === 'Enter') {
      event.preventDefault();
      choose(active);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      input.value = '';
      search();
      input.blur();
    }
  };

  // --- States ---

  const chips = new Map();
  const scopeChip = element('button', {
    type: 'button',
    class: 'chip scope',
    title: 'Show all directories',
    onclick: () => page.graph.closeScope(),
  });

  const toggle = (state) => {
    const { filter } = page.graph;
    if (!filter.delete(state)) filter.add(state);
    showChips();
    page.graph.paint();
  };

  const showChips = () => {
    const counts = page.counts();
    for (const [state, { button, count }] of chips) {
      const number = counts.get(state) ?? 0;
      const isOn = page.graph.filter.has(state);
      button.hidden = number === 0 && !isOn;
      button.setAttribute('aria-pressed', String(isOn));
      const text = number.toLocaleString('en');
      if (count.textContent !== text) count.textContent = text;
    }
  };

  const showScope = (scope) => {
    scopeChip.hidden = scope === null;
    if (scope !== null) scopeChip.replaceChildren(element('code', null, scope), ' ×');
  };

  // --- The legend ---

  const showLegend = () => {
    const kinds = new Set(page.data.graph.edges.map((edge) => edge.kind));
    const entry = (kind, words) => element('span', null, element('i', { class: `line ${kind}` }), words);
    const path = page.data.graph.critical_path;
    page
      .at('legend')
      .append(
        ...(kinds.has('base') ? [entry('base', 'built on')] : []),
        ...(kinds.has('copy') ? [entry('copy', 'copies from')] : []),
        ...(path ? [entry('critical', `critical path, ${page.seconds(path.seconds)}`)] : []),
      );
  };

  page.starts.push(() => {
    // What needs attention comes first.
    for (const state of [...page.states].reverse()) {
      const count = element('span', { class: 'count' });
      const button = element(
        'button',
        { type: 'button', class: 'chip', 'aria-pressed': 'false', onclick: () => toggle(state) },
        element('i', { class: `dot ${state}` }),
        `${state} `,
        count,
      );
      chips.set(state, { button, count });
      page.at('chips').append(button);
    }
    scopeChip.hidden = true;
    page.at('chips').prepend(scopeChip);
    showLegend();
    input.addEventListener('input', search);
    input.addEventListener('keydown', pressed);
    input.addEventListener('focus', () => {
      if (input.value) search();
    });
    input.addEventListener('blur', () => showResults(false));
  });

  return { showChips, showScope };
})();
