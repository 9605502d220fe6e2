// Draws when each image was built, and by which worker: on a canvas, because a watch of weeks has thousands of spans.
//
// The same spans are in a table, for screen readers and for copying (`spans.js`).
page.timeline = (() => {
  const place = page.at('timeline');
  const { element, spans } = page;
  const { endOf, isRunning } = spans;
  const AXIS = 28;
  /** Between the gutter and the start of the run: room for the frame of what is selected. */
  const MARGIN = 4;
  const LANE = 30;
  const BAR = 22;
  /** No pixel stands for less time than this. */
  const FINEST = 1e-4;

  let canvas = null;
  let context = null;
  let parts = null;
  let size = { width: 0, height: 0 };
  let gutter = 72;
  /** The time at the left edge, and seconds for each pixel; `null` shows all, also while the run goes on. */
  let zoom = null;
  let lanes = [];
  let end = 1;
  let critical = [];
  let current = null;
  let selected = null;
  let hovered = null;
  let frame = null;
  let isStale = true;

  // --- What is drawn ---

  const read = () => {
    lanes = [];
    for (const span of page.history.spans) {
      while (lanes.length <= span.worker) lanes.push([]);
      lanes[span.worker].push(span);
    }
    for (const lane of lanes) lane.sort((a, b) => a.start - b.start);
    critical = spans.critical();
    const has = (span) => page.history.spans.includes(span);
    if (current && !has(current)) current = null;
    if (hovered && !has(hovered)) hovered = null;
  };

  // --- Time and pixels ---

  const inner = () => Math.max(50, size.width - gutter - 12);
  const scale = () => zoom?.scale ?? (end * 1.02) / inner();
  const left = () => zoom?.left ?? 0;
  const x = (time) => gutter + MARGIN + (time - left()) / scale();
  const time = (at) => left() + (at - gutter - MARGIN) * scale();

  const setZoom = (next) => {
    const widest = (end * 1.02) / inner();
    if (next.scale >= widest) zoom = null;
    else {
      const finest = Math.max(FINEST, next.scale);
      const room = inner() * finest;
      zoom = { scale: finest, left: Math.min(Math.max(next.left, 0), Math.max(0, end * 1.02 - room)) };
    }
    redraw();
  };

  const zoomBy = (factor, at = gutter + inner() / 2) => {
    const fixed = time(at);
    const next = scale() / factor;
    setZoom({ scale: next, left: fixed - (at - gutter - MARGIN) * next });
  };

  const panBy = (pixels) => setZoom({ scale: scale(), left: left() + pixels * scale() });

  const fit = () => {
    zoom = null;
    redraw();
  };

  /** Makes a span visible. */
  const reveal = (span) => {
    const lane = AXIS + span.worker * LANE;
    const { scroll } = parts;
    if (lane - AXIS < scroll.scrollTop) scroll.scrollTop = lane - AXIS;
    else if (lane + LANE > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = lane + LANE - scroll.clientHeight;
    if (!zoom) return;
    const [from, to] = [x(span.start), x(endOf(span))];
    if (to < gutter || from > size.width) setZoom({ scale: scale(), left: span.start - inner() * scale() * 0.1 });
  };

  // --- Drawing ---

  const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 14400, 28800, 86400, 172800, 604800];

  const tickStep = () => STEPS.find((step) => step / scale() >= 76) ?? STEPS[STEPS.length - 1];

  const tickText = (seconds, step) => {
    if (seconds === 0) return '0';
    if (step < 1) return `${seconds.toFixed(Math.max(1, Math.ceil(-Math.log10(step))))} s`;
    if (seconds < 60) return `${Math.round(seconds)} s`;
    return page.seconds(seconds).replace(/ 00 (s|min)$/, '');
  };

  const colors = () => {
    const style = getComputedStyle(document.documentElement);
    const names = ['ground', 'text', 'dim', 'line', 'image', 'border', 'critical', ...page.states];
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  };

  const drawAxis = (color) => {
    const step = tickStep();
    const first = Math.max(0, Math.ceil(left() / step));
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (let at = first; x(at * step) <= size.width - 12; at += 1) {
      const middle = Math.round(x(at * step)) + 0.5;
      context.globalAlpha = 0.35;
      context.strokeStyle = color.border;
      context.beginPath();
      context.moveTo(middle, AXIS - 6);
      context.lineTo(middle, size.height);
      context.stroke();
      context.globalAlpha = 1;
      context.fillStyle = color.dim;
      context.fillText(tickText(at * step, step), middle, AXIS / 2 - 2);
    }
  };

  const fitted = (text, width) => {
    const columns = Math.floor(width / context.measureText('0').width);
    if (text.length <= columns) return text;
    return columns < 4 ? '' : `${text.slice(0, columns - 1)}…`;
  };

  const drawSpan = (span, color, marked) => {
    const from = Math.max(x(span.start), gutter);
    const to = Math.min(x(endOf(span)), size.width);
    const width = Math.max(to - from, 1.5);
    const top = AXIS + span.worker * LANE + (LANE - BAR) / 2;
    context.fillStyle = color[span.state] || color.image;
    if (width < 5 && !marked) {
      // Of thousands, each is a stroke with an edge.
      context.fillRect(from, top, width, BAR);
      context.fillStyle = color.border;
      context.fillRect(from, top, 1, BAR);
    } else {
      context.strokeStyle = marked ? color.critical : color.border;
      context.lineWidth = marked ? 2 : 1;
      context.beginPath();
      context.roundRect(from + 0.5, top + 0.5, Math.max(width - 1, 0.5), BAR - 1, Math.min(4, width / 2));
      context.fill();
      context.stroke();
    }
    if (span.image === selected || span === hovered || span === current) {
      context.strokeStyle = color.text;
      context.lineWidth = span === hovered ? 1 : 2;
      context.setLineDash(span === current && span.image !== selected ? [3, 3] : []);
      context.strokeRect(from - 1.5, top - 1.5, width + 3, BAR + 3);
      context.setLineDash([]);
    }
    if (width < 24) return;
    context.fillStyle = color.text;
    context.textAlign = 'left';
    context.fillText(fitted(span.image, width - 12), from + 6, top + BAR / 2 + 0.5);
  };

  /** Lines between the spans of the critical path, in the gaps between lanes: no line crosses a name. */
  const drawPath = (color) => {
    context.strokeStyle = color.critical;
    context.lineWidth = 2;
    context.beginPath();
    for (let at = 1; at < critical.length; at += 1) {
      const [before, after] = [critical[at - 1], critical[at]];
      const [from, to] = [x(endOf(before)) - 2, x(after.start) + 2];
      if (to < gutter || from > size.width || (before.worker === after.worker && to - from < 12)) continue;
      const [high, low] = [before, after].map((span) => AXIS + span.worker * LANE + LANE / 2);
      const gap = after.worker < before.worker ? high - LANE / 2 : high + LANE / 2;
      context.moveTo(from, high);
      context.lineTo(from, gap);
      context.lineTo(to, gap);
      context.lineTo(to, low);
    }
    context.stroke();
  };

  const drawNow = (color) => {
    const at = Math.round(x(page.now())) + 0.5;
    if (!isRunning() || at < gutter || at > size.width) return;
    context.strokeStyle = color.critical;
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(at, AXIS - 8);
    context.lineTo(at, size.height);
    context.stroke();
    context.setLineDash([]);
  };

  const drawGutter = (color) => {
    context.fillStyle = color.ground;
    context.fillRect(0, AXIS, gutter, size.height);
    context.fillStyle = color.dim;
    context.textAlign = 'left';
    lanes.forEach((_, worker) => {
      context.fillText(`worker ${worker + 1}`, 8, AXIS + worker * LANE + LANE / 2);
    });
  };

  const draw = () => {
    frame = null;
    if (place.hidden || !page.history) return;
    if (isStale) refresh();
    if (parts.chart.hidden) return;
    const ratio = window.devicePixelRatio || 1;
    size = { width: parts.scroll.clientWidth, height: Math.max(AXIS + lanes.length * LANE + 8, parts.scroll.clientHeight) };
    const [wide, high] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) {
      [canvas.width, canvas.height] = [wide, high];
      [canvas.style.width, canvas.style.height] = [`${size.width}px`, `${size.height}px`];
    }
    end = spans.lastEnd();
    gutter = size.width < 500 ? 62 : 72;
    const color = colors();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = `12px ${getComputedStyle(place).fontFamily}`;
    context.lineWidth = 1;
    context.fillStyle = color.ground;
    context.fillRect(0, 0, size.width, size.height);
    drawAxis(color);
    drawPath(color);
    const marked = new Set(critical);
    for (const lane of lanes) {
      let drawn = -1;
      for (const span of lane) {
        const [from, to] = [x(span.start), x(endOf(span))];
        // What is in a pixel that is drawn already cannot be seen.
        if (to < gutter || from > size.width || (to < drawn && !marked.has(span))) continue;
        drawSpan(span, color, marked.has(span));
        drawn = Math.floor(to) + 1;
      }
    }
    drawGutter(color);
    drawNow(color);
    if (isRunning()) setTimeout(redraw, 200);
  };

  const redraw = () => { frame ??= requestAnimationFrame(draw); };

  const spanAt = (px, py) => {
    const lane = lanes[Math.floor((py - AXIS) / LANE)];
    if (!lane || px < gutter) return null;
    const near = (span) => x(span.start) - 2 <= px && px <= Math.max(x(endOf(span)), x(span.start) + 2) + 2;
    return lane.findLast(near) ?? null;
  };

  const showTip = (span, px, py) => {
    const { tip } = parts;
    tip.hidden = !span;
    if (!span) return;
    tip.replaceChildren(element('strong', null, span.image), ...spans.lines(span, critical).map((line) => element('div', null, line)));
    const room = parts.chart.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(px + 14, room.width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${py + 18 + tip.offsetHeight > room.height ? Math.max(4, py - tip.offsetHeight - 10) : py + 18}px`;
  };

  const choose = (span) => {
    selected = span.image;
    current = span;
    showTip(null);
    page.graph.select(span.image);
    redraw();
  };

  // --- Pointer ---

  const pointers = new Map();
  let moved = 0;

  const pinch = () => {
    const [one, other] = [...pointers.values()];
    return { middle: (one.x + other.x) / 2, far: Math.max(20, Math.abs(one.x - other.x)) };
  };

  const down = (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (pointers.size === 0) moved = 0;
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  };

  const move = (event) => {
    const before = pointers.get(event.pointerId);
    const here = { x: event.offsetX, y: event.offsetY };
    const { scroll } = parts;
    if (!before) {
      const span = spanAt(here.x, here.y);
      if (span !== hovered) redraw();
      hovered = span;
      canvas.classList.toggle('over', Boolean(span));
      showTip(span, here.x, here.y - scroll.scrollTop);
      return;
    }
    showTip(null);
    if (pointers.size === 2) {
      const was = pinch();
      pointers.set(event.pointerId, here);
      const is = pinch();
      zoomBy(is.far / was.far, is.middle);
      panBy(was.middle - is.middle);
      moved = 10;
      return;
    }
    moved += Math.abs(here.x - before.x) + Math.abs(here.y - before.y);
    const dy = here.y - before.y;
    if (moved <= 4) return;
    panBy(before.x - here.x);
    scroll.scrollTop -= dy;
    // The canvas has moved below the pointer.
    pointers.set(event.pointerId, { x: here.x, y: here.y - dy });
  };

  const up = (event) => {
    const was = pointers.delete(event.pointerId);
    if (!was || moved > 4 || pointers.size > 0 || event.type === 'pointercancel') return;
    const span = spanAt(event.offsetX, event.offsetY);
    if (span) choose(span);
  };

  const wheel = (event) => {
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    if (event.shiftKey) parts.scroll.scrollTop += pixels;
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) panBy(event.deltaX);
    else zoomBy(Math.exp(-pixels * 0.002), event.offsetX);
    showTip(null);
  };

  // --- Keyboard ---

  const actions = { '+': () => zoomBy(1.4), '=': () => zoomBy(1.4), '-': () => zoomBy(1 / 1.4), 0: fit };

  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isMove = /^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key);
    if (isMove && page.history.spans.length > 0) {
      current = spans.neighbor(lanes, current, event.key);
      reveal(current);
      parts.said.textContent = [current.image, ...spans.lines(current, critical)].join(', ');
      redraw();
    } else if (['Enter', ' '].includes(event.key) && current) choose(current);
    else if (event.key === 'Escape') {
      current = null;
      selected = null;
      page.graph.clear();
      redraw();
    } else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  };

  const setTable = (isTable) => {
    parts.table.hidden = !isTable;
    parts.chart.hidden = isTable;
    parts.fit.hidden = isTable;
    parts.toggle.textContent = isTable ? 'Chart' : 'Table';
    show();
  };

  // --- The tab ---

  const build = () => {
    const button = (text, onclick, title) => element('button', { type: 'button', onclick, title }, text);
    canvas = element('canvas', {
      tabindex: '0', role: 'application', 'aria-roledescription': 'timeline', 'aria-describedby': 'timeline-about',
      'aria-label': 'Timeline. Arrow keys move between builds, Enter shows details; the button Table shows all as a table.',
      onpointerdown: down, onpointermove: move, onpointerup: up, onpointercancel: up, onkeydown: pressed,
      onpointerleave: () => { hovered = null; showTip(null); redraw(); },
      onblur: () => { current = null; redraw(); },
    });
    canvas.addEventListener('wheel', wheel, { passive: false });
    context = canvas.getContext('2d');
    parts = {
      about: element('p', { id: 'timeline-about' }),
      fit: button('Show all', fit, 'Show all (0)'),
      toggle: button('Table', () => setTable(parts.table.hidden)),
      scroll: element('div', { class: 'scroll' }, canvas),
      tip: element('div', { class: 'tip', hidden: true }),
      said: element('p', { class: 'aside', role: 'status' }),
      table: element('div', { class: 'table', hidden: true }),
    };
    parts.chart = element('div', { class: 'chart' }, parts.scroll, parts.tip);
    const bar = element('div', { class: 'bar' }, parts.about, parts.fit, parts.toggle,
      button('Save trace', page.save.trace, 'Save as a trace that Perfetto opens'),
      button('Save page', page.save.page, 'Save this page as one file'));
    place.replaceChildren(bar, parts.chart, parts.table, parts.said);
    new ResizeObserver(redraw).observe(parts.scroll);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ['data-theme'] });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  };

  /** Takes in what happened; once for each frame, because much may happen between two. */
  const refresh = () => {
    isStale = false;
    read();
    const about = spans.about(lanes, critical);
    if (parts.about.textContent !== about) parts.about.textContent = about;
    if (!parts.table.hidden) parts.table.replaceChildren(spans.table(critical, choose));
  };

  const show = () => {
    if (place.hidden || !page.history) return;
    if (!parts) build();
    isStale = true;
    redraw();
  };

  return { show };
})();

/** Draws the timeline again; costs nothing while it is hidden. */
page.showTimeline = page.timeline.show;
