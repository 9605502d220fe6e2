// Saves what a live page shows: as a trace, and as a page that needs no program any more.
page.save = (() => {
  // The document as it came, before any script changes it. Templates and scripts never change, so they need no copy.
  const isConstant = (node) => ['TEMPLATE', 'SCRIPT'].includes(node.nodeName);
  const nodes = [...document.body.childNodes].map((node) => (isConstant(node) ? node : node.cloneNode(true)));

  const download = (name, type, text) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = page.element('a', { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };

  const micros = (seconds) => Math.floor(Math.max(0, seconds) * 1e6);

  const spanEvent = (span, tid) => {
    const [start, end] = [micros(span.start), micros(span.end ?? page.now())];
    const row = page.row(span.image);
    const args = { state: span.state };
    if (row?.reference) args.reference = row.reference;
    if (span.reasons?.length > 0) args.reasons = span.reasons;
    if (span.state === 'failed' && row?.note) args.error = row.note;
    return { name: span.image, cat: span.state, ph: 'X', pid: 1, tid, ts: start, dur: Math.max(0, end - start), args };
  };

  const track = (tid, name) => [
    { name: 'thread_name', ph: 'M', pid: 1, tid, args: { name } },
    { name: 'thread_sort_index', ph: 'M', pid: 1, tid, args: { sort_index: tid } },
  ];

  /** The run in the Trace Event Format, as `--timeline FILE.json` writes it. */
  const asTrace = () => {
    const { spans } = page.history;
    const events = [{ name: 'process_name', ph: 'M', pid: 1, tid: 0, args: { name: 'imgspec' } }];
    const critical = page.spans.critical();
    if (critical.length > 0) events.push(...track(0, 'critical path'), ...critical.map((span) => spanEvent(span, 0)));
    const workers = spans.reduce((most, span) => Math.max(most, span.worker + 1), 0);
    for (let worker = 1; worker <= workers; worker += 1) events.push(...track(worker, `worker ${worker}`));
    events.push(...spans.map((span) => spanEvent(span, span.worker + 1)));
    return { traceEvents: events, displayTimeUnit: 'ms', otherData: { started: page.data.made, 'critical-path': page.data.critical ?? [] } };
  };

  const name = () => (page.data.title.replace(/[^\p{L}\p{N}._-]+/gu, '-') || 'graph');

  const saveTrace = () => download(`${name()}-timeline.json`, 'application/json', JSON.stringify(asTrace()));

  /** The details of all images, as far as the program still answers. */
  const allDetails = async () => {
    const details = {};
    const open = [...page.images.keys()];
    const ask = async () => {
      for (let id = open.pop(); id !== undefined; id = open.pop()) {
        const answer = await fetch(`detail/${encodeURIComponent(id)}`);
        if (answer.ok) details[id] = await answer.json();
      }
    };
    try {
      await Promise.all(Array.from({ length: 6 }, ask));
    } catch {
      // The program has ended; what was fetched is kept.
    }
    return details;
  };

  const savePage = async () => {
    const data = {
      ...page.data,
      details: page.data.details ?? await allDetails(),
      history: page.history && { ...page.history, at: page.now() },
      live: null,
      tab: 'timeline',
    };
    const json = JSON.stringify(data).replaceAll('<', '\\u003c');
    const text = nodes.map((node) => {
      if (node.id === 'data') return `<script type="application/json" id="data">${json}<\/script>`;
      return node.outerHTML ?? '\n';
    });
    const root = document.documentElement.cloneNode(false).outerHTML.replace('</html>', '');
    const { outerHTML: head } = document.head;
    download(`${name()}.html`, 'text/html', `<!DOCTYPE html>\n${root}\n${head}\n<body>${text.join('')}</body>\n</html>\n`);
  };

  return { trace: saveTrace, page: savePage, asTrace };
})();
