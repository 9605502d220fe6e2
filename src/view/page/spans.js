// The times in which workers were busy: in words, as a table, and which of them decided how long the run took.
page.spans = (() => {
  const { element } = page;

  /** When a span ended; now, if it has not. */
  const endOf = (span) => span.end ?? page.now();

  const isRunning = () => Boolean(page.data.live) && page.history.activity === 'building';

  /**
   * The spans of the critical path, one after the other: of each image the last build, and its push unless another build
   * runs meanwhile. Known when all is built.
   */
  const critical = () => {
    if (isRunning()) return [];
    const last = new Map((page.data.critical ?? []).map((image) => [image, 0]));
    for (const { image, state, start } of page.history.spans) {
      if (last.has(image) && state !== 'pushed') last.set(image, start);
    }
    const found = [];
    let free = 0;
    const candidates = page.history.spans.filter((one) => one.start >= last.get(one.image));
    for (const span of candidates.sort((a, b) => a.start - b.start)) {
      if (span.start < free) continue;
      found.push(span);
      free = endOf(span);
    }
    return found;
  };

  /** The last end of a span: a watch that waits does not make the picture ever smaller. */
  const lastEnd = () => page.history.spans.reduce((last, span) => Math.max(last, endOf(span)), 0.1);

  const worker = (span) => `worker ${span.worker + 1}`;

  /** What is known about a span, in words. */
  const lines = (span, critical) => {
    const row = page.row(span.image);
    const isLast = row && page.history.spans.findLast((one) => one.image === span.image) === span;
    const took = page.seconds(endOf(span) - span.start);
    return [
      `${span.state} · ${took}${span.end === null ? ' so far' : ''}`,
      `from ${page.seconds(span.start)} on ${worker(span)}`,
      critical.includes(span) ? 'on the critical path' : null,
      ...(span.reasons ?? []).slice(0, 4),
      span.state === 'failed' && isLast ? row.note : null,
    ].filter(Boolean);
  };

  /** The next span of the lane, or the one of the next lane that is nearest in time. */
  const neighbor = (lanes, span, key) => {
    if (key === 'Home') return page.history.spans.reduce((a, b) => (b.start < a.start ? b : a));
    if (key === 'End') return page.history.spans.reduce((a, b) => (b.start > a.start ? b : a));
    if (!span) return lanes.find((lane) => lane.length > 0)?.[0] ?? null;
    const lane = lanes[span.worker];
    const at = lane.indexOf(span);
    if (key === 'ArrowLeft') return lane[at - 1] ?? span;
    if (key === 'ArrowRight') return lane[at + 1] ?? span;
    const step = key === 'ArrowUp' ? -1 : 1;
    for (let next = span.worker + step; lanes[next]; next += step) {
      const far = (one) => Math.abs(one.start - span.start);
      if (lanes[next].length > 0) return lanes[next].reduce((a, b) => (far(b) < far(a) ? b : a));
    }
    return span;
  };

  const tableRow = (span, critical, choose) => element('tr', null,
    element('td', null, page.seconds(span.start)),
    element('td', null, page.seconds(endOf(span) - span.start)),
    element('td', null, String(span.worker + 1)),
    element('th', { scope: 'row' }, element('button', { type: 'button', onclick: () => choose(span) }, span.image)),
    element('td', null, span.state),
    element('td', null, critical.includes(span) ? 'yes' : ''),
    element('td', null, (span.reasons ?? []).join('; ')));

  /** All spans; `choose` is called with the one whose image is pressed. */
  const table = (critical, choose) => {
    const head = ['Start', 'Took', 'Worker', 'Image', 'State', 'Critical path', 'Why'];
    const spans = [...page.history.spans].sort((a, b) => a.start - b.start);
    return element('table', null,
      element('caption', null, 'When each image was built'),
      element('thead', null, element('tr', null, head.map((name) => element('th', { scope: 'col' }, name)))),
      element('tbody', null, spans.map((span) => tableRow(span, critical, choose))));
  };

  /** The whole run in a sentence. */
  const about = (lanes, critical) => {
    const images = new Set(page.history.spans.map((span) => span.image)).size;
    if (images === 0) return 'Nothing was built.';
    const path = critical.map((span) => span.image);
    const names = [...new Set(path)].join(' → ');
    return `${page.count(images, 'image')} on ${page.count(lanes.length, 'worker')} in ${page.seconds(lastEnd())}${isRunning() ? ' so far' : ''}`
      + (path.length > 0 ? `; critical path: ${names}` : '');
  };

  return { endOf, isRunning, critical, lastEnd, lines, neighbor, table, about };
})();
