// The picture: selecting an image, dimming what does not matter, and the states of boxes.
//
// The pictures come finished from the program. This script only changes classes and second lines of boxes.
page.graph = (() => {
  const { camera } = page;
  const stage = page.at('stage');
  const canvas = page.at('canvas');
  /** Pictures by name, made when first shown: `{svg, boxes, arrows, width, height}`. */
  const views = new Map();
  let view = null;
  let selected = null;
  /** The box that Tab leads to. */
  let current = null;
  /** The directory whose images are shown, after it was opened. */
  let scope = null;
  /** The states that are shown; empty shows all. */
  const filter = new Set();

  // --- What needs what ---

  const needs = new Map();
  const users = new Map();
  for (const { from, to } of page.data.graph.edges) {
    for (const [map, key, value] of [
      [needs, from, to],
      [users, to, from],
    ]) {
      if (!map.has(key)) map.set(key, new Set());
      map.get(key).add(value);
    }
  }

  /** All images that can be reached from one, without it. */
  const reach = (map, id) => {
    const found = new Set();
    const open = [id];
    while (open.length > 0) {
      for (const next of map.get(open.pop()) ?? []) {
        if (next === id || found.has(next)) continue;
        found.add(next);
        open.push(next);
      }
    }
    return found;
  };

  // --- Pictures ---

  const make = (name) => {
    const svg = page.at(name).content.querySelector('svg').cloneNode(true);
    const kind = name === 'images' ? 'image' : 'folder';
    const boxes = new Map();
    for (const element of svg.querySelectorAll(`g.image[data-${kind}]`)) {
      const id = element.dataset[kind];
      const rect = element.querySelector('rect:last-of-type');
      const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((it) => Number(rect.getAttribute(it)));
      const box = { id, element, x, y, width, height };
      box.note = element.querySelector('text.note');
      box.drawn = box.note?.textContent ?? '';
      boxes.set(id, box);
      element.setAttribute('role', 'button');
      element.setAttribute('tabindex', '-1');
    }
    const arrows = [...svg.querySelectorAll('path[data-from]')];
    const { width, height } = svg.viewBox.baseVal;
    return { name, svg, boxes, arrows, width, height };
  };

  /** Boxes of one picture by image: the image's own, or that of its directory. */
  const boxOf = (id) => view.boxes.get(view.name === 'images' ? id : page.images.get(id)?.folder);

  const open = (name) => {
    if (view?.name === name) return;
    if (!views.has(name)) views.set(name, make(name));
    view = views.get(name);
    canvas.replaceChildren(view.svg);
    camera.take(view);
    for (const it of ['images', 'folders']) {
      page.at(`group-${it}`).setAttribute('aria-pressed', String(it === name));
    }
    current = null;
    turn(view.boxes.values().next().value);
    showStates();
    paint();
  };

  const show = (name) => {
    scope = null;
    if (selected === null) page.panel.close();
    open(name);
    paint();
    camera.fit(false);
  };

  // --- Selecting ---

  /** What a box or an arrow has to do with the selected image. */
  const relations = () => {
    if (selected === null || view.name !== 'images') return null;
    return { under: reach(needs, selected), over: reach(users, selected) };
  };

  const matches = (id) => {
    if (filter.size === 0) return true;
    if (view.name === 'images') return filter.has(page.state(id));
    return members(id).some((member) => filter.has(page.state(member)));
  };

  const inScope = (id) => scope === null || page.images.get(id)?.folder === scope;

  const setClasses = (element, classes) => {
    for (const [name, is] of Object.entries(classes)) element.classList.toggle(name, is);
  };

  /** Sets the classes that say what matters. */
  const paint = () => {
    const related = relations();
    const isRelated = (id) => !related || id === selected || related.under.has(id) || related.over.has(id);
    const shown = view.name === 'images' || selected === null ? selected : page.images.get(selected)?.folder;
    const seen = new Set();
    for (const { id, element } of view.boxes.values()) {
      const isSeen = matches(id) && isRelated(id) && (view.name !== 'images' || inScope(id));
      if (isSeen) seen.add(id);
      setClasses(element, {
        dim: !isSeen,
        selected: id === shown,
        under: Boolean(related?.under.has(id)),
        over: Boolean(related?.over.has(id)),
      });
      if (view.name === 'images') element.setAttribute('aria-pressed', String(id === selected));
    }
    const front = [];
    for (const arrow of view.arrows) {
      const { from, to } = arrow.dataset;
      const isUnder = Boolean(related && related.under.has(to) && (from === selected || related.under.has(from)));
      const isOver = Boolean(related && related.over.has(from) && (to === selected || related.over.has(to)));
      const isLoose = related ? !isUnder && !isOver : !(seen.has(from) && seen.has(to));
      setClasses(arrow, { under: isUnder, over: isOver, dim: isLoose });
      if (isUnder || isOver) front.push(arrow);
    }
    // Where arrows share a line, those that matter are seen.
    view.svg.querySelector('.arrows').append(...front);
    page.search.showScope(scope);
  };

  const select = (id, { isCentred = false, isFocused = false } = {}) => {
    if (!page.images.has(id)) return;
    const isOther = view.name !== 'images';
    if (isOther) open('images');
    if (scope !== null && !inScope(id)) scope = null;
    selected = id;
    page.setAddress(id);
    page.panel.show(id);
    paint();
    camera.resized();
    const box = view.boxes.get(id);
    if (!box) return;
    turn(box);
    if (isFocused) box.element.focus({ preventScroll: true });
    // A narrow page shows all only too small to read.
    if (isCentred || isOther || page.isNarrow()) camera.centre(box);
    else camera.reveal(box);
  };

  /** Closes the panel; if it was closed, shows everything again. */
  const clear = () => {
    const wasOpen = !page.at('panel').hidden;
    selected = null;
    page.setAddress(null);
    if (!wasOpen) {
      scope = null;
      filter.clear();
      page.search.showChips();
    }
    page.panel.close();
    paint();
    camera.resized();
  };

  const closeScope = () => {
    scope = null;
    if (selected === null) page.panel.close();
    paint();
    camera.resized();
  };

  const openFolder = (folder) => {
    selected = null;
    open('images');
    scope = folder;
    paint();
    page.panel.showFolder(folder);
    camera.resized();
    const boxes = members(folder)
      .map((id) => view.boxes.get(id))
      .filter(Boolean);
    const x = Math.min(...boxes.map((box) => box.x));
    const y = Math.min(...boxes.map((box) => box.y));
    const width = Math.max(...boxes.map((box) => box.x + box.width)) - x;
    const height = Math.max(...boxes.map((box) => box.y + box.height)) - y;
    camera.show({ x, y, width, height });
    turn(boxes[0]);
    boxes[0]?.element.focus({ preventScroll: true });
  };

  const choose = (box) => (view.name === 'images' ? select(box.id) : openFolder(box.id));

  // --- Keyboard and pointer ---

  /** Makes a box the one that Tab leads to. */
  const turn = (box) => {
    current?.element.setAttribute('tabindex', '-1');
    current = box ?? null;
    current?.element.setAttribute('tabindex', '0');
  };

  /** The nearest box in a direction; what lies ahead counts more than what lies aside. */
  const next = (from, [dx, dy]) => {
    const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
    const [x, y] = middle(from);
    let best = null;
    for (const box of view.boxes.values()) {
      const [bx, by] = middle(box);
      const ahead = (bx - x) * dx + (by - y) * dy;
      const aside = Math.abs((bx - x) * dy) + Math.abs((by - y) * dx);
      if (box === from || ahead <= 1 || box.element.classList.contains('dim')) continue;
      const far = ahead + 3 * aside;
      if (!best || far < best.far) best = { far, box };
    }
    return best?.box;
  };

  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const pressed = (event) => {
    const box = current;
    if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choose(box);
    } else if (directions[event.key]) {
      event.preventDefault();
      const to = next(box, directions[event.key]);
      if (!to) return;
      turn(to);
      to.element.focus({ preventScroll: true });
      camera.reveal(to);
    }
  };

  let down = null;
  const clicked = (event) => {
    const far = down ? Math.hypot(event.clientX - down[0], event.clientY - down[1]) : 0;
    if (far > 5) return;
    const element = event.target.closest('g.image');
    const box = element && view.boxes.get(element.dataset.image ?? element.dataset.folder);
    if (box) choose(box);
    else if (!page.at('panel').hidden) clear();
  };

  // --- States ---

  const folders = new Map();
  for (const { image, folder } of page.data.graph.images) {
    if (!folders.has(folder)) folders.set(folder, []);
    folders.get(folder).push(image);
  }
  const members = (folder) => folders.get(folder) ?? [];

  /** The second line of an image's box in a run. */
  const noteOf = (id) => {
    const row = page.row(id);
    if (!row) return null;
    if (row.state !== 'running') {
      const isTimed = row.seconds !== null && ['built', 'pushed', 'failed'].includes(row.state);
      return isTimed ? `${row.state} · ${page.seconds(row.seconds)}` : row.state;
    }
    const time = page.seconds(Math.max(0, Math.floor(page.now() - row.since))).replace('.0 s', ' s');
    if (!row.step?.number) return time;
    return `step ${row.step.number}${row.step.of > 0 ? `/${row.step.of}` : ''} · ${time}`;
  };

  /** The state and second line of a directory's box. */
  const ofFolder = (folder) => {
    const counts = new Map();
    for (const id of members(folder)) {
      const state = page.state(id);
      if (state) counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    const there = page.states.filter((state) => counts.has(state)).reverse();
    const parts = there.map((state) => `${counts.get(state)} ${state}`);
    return [
      there[0] ?? null,
      [page.count(members(folder).length, 'image'), parts.join(', ')].filter(Boolean).join(' · '),
    ];
  };

  const write = (box, text) => {
    const columns = Math.floor((box.width - 16) / 6.1);
    const cut = text.length > columns ? `${text.slice(0, columns - 1)}…` : text;
    if (!box.note) {
      const name = box.element.querySelector('text');
      box.note = name.cloneNode();
      box.note.setAttribute('class', 'note');
      box.note.setAttribute('y', String(Number(name.getAttribute('y')) + 15));
      name.after(box.note);
    }
    if (box.note.textContent !== cut) box.note.textContent = cut;
  };

  const showBox = (box) => {
    const isImage = view.name === 'images';
    const [state, note] = isImage ? [page.state(box.id), noteOf(box.id)] : ofFolder(box.id);
    if (box.state !== state) {
      box.element.classList.remove(box.state ?? 'plain', 'plain', ...page.states);
      box.element.classList.add(state ?? 'plain');
      box.state = state;
      box.element.setAttribute('aria-label', [box.id, state, note ?? box.drawn].filter(Boolean).join(', '));
    }
    if (note !== null && (isImage || page.history)) write(box, note);
  };

  const showStates = () => {
    for (const box of view.boxes.values()) showBox(box);
    page.search.showChips();
    tick();
  };

  // Rows may change many times between two frames.
  const changed = new Set();
  const showRow = (id) => {
    if (changed.size === 0) requestAnimationFrame(flush);
    changed.add(id);
  };
  const flush = () => {
    page.now();
    for (const id of changed) {
      const box = boxOf(id);
      if (box) showBox(box);
      page.panel.changed(id);
    }
    changed.clear();
    page.search.showChips();
    page.showActivity();
    if (filter.size > 0) paint();
    tick();
  };

  // Seconds pass only in the boxes of running images.
  let ticking = null;
  const tick = () => {
    const running = page.data.live && [...page.images.keys()].filter((id) => page.state(id) === 'running');
    if (!running || running.length === 0) {
      clearInterval(ticking);
      ticking = null;
    } else if (ticking === null) {
      ticking = setInterval(() => {
        for (const id of page.images.keys()) {
          if (page.state(id) !== 'running') continue;
          if (view.name === 'images') write(view.boxes.get(id), noteOf(id));
          page.panel.ticked(id);
        }
      }, 1000);
    }
  };

  const start = () => {
    page.at('groups').hidden = !page.at('folders').content.firstElementChild;
    open(page.data.folders ? 'folders' : 'images');
    stage.addEventListener(
      'pointerdown',
      (event) => {
        down = [event.clientX, event.clientY];
      },
      true,
    );
    stage.addEventListener('click', clicked);
    stage.addEventListener('keydown', pressed);
    for (const name of ['images', 'folders']) page.at(`group-${name}`).addEventListener('click', () => show(name));
  };
  page.starts.push(start);

  const toggleView = () => {
    if (!page.at('groups').hidden) show(view.name === 'images' ? 'folders' : 'images');
  };

  return {
    select,
    clear,
    toggleView,
    showStates,
    showRow,
    paint,
    filter,
    members,
    closeScope,
    needs: (id) => [...(needs.get(id) ?? [])],
    users: (id) => [...(users.get(id) ?? [])],
    allNeeds: (id) => reach(needs, id),
    allUsers: (id) => reach(users, id),
  };
})();

/** Shows the state, step and seconds of one image after its row changed. */
page.showRow = (id) => page.graph.showRow(id);
