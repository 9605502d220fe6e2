// Keeps the page up to date with the program that serves it; a page in a file has nothing to listen to.
page.starts.push(() => {
  const { live } = page.data;
  if (!live) return;
  const buttons = {};
  let drawing = 0;

  // One change may come in many messages, and the timeline is drawn as a whole.
  const drawTimeline = () => {
    if (drawing || page.tab !== 'timeline') return;
    drawing = requestAnimationFrame(() => {
      drawing = 0;
      page.showTimeline();
    });
  };

  const setConnection = (state) => {
    document.documentElement.dataset.connection = state;
    page.at('connection').textContent = state === 'lost' ? 'not connected; trying again…' : '';
    for (const button of Object.values(buttons)) button.disabled = state !== 'live';
  };

  const showRun = () => {
    const { activity } = page.history;
    setConnection(activity === 'ended' ? 'ended' : 'live');
    if (buttons.pause) buttons.pause.textContent = activity === 'paused' ? 'Resume' : 'Pause';
  };

  const handlers = {
    // The document is of another run or shows other images.
    edition(edition) {
      if (edition !== live.edition) location.reload();
    },
    history(history) {
      page.history = history;
      showRun();
      page.showAll();
      drawTimeline();
    },
    row({ image, row, spans, at }) {
      const { history } = page;
      history.images[image] = row;
      history.spans = [...history.spans.filter((span) => span.image !== image), ...spans];
      history.at = at;
      page.showRow(image);
      drawTimeline();
    },
    lines({ image, lines }) {
      const row = page.row(image);
      if (!row) return;
      row.lines.push(...lines);
      row.lines.splice(0, row.lines.length - 200);
      for (const line of lines) page.addLine(image, line);
    },
    critical(images) {
      page.data.critical = images;
      drawTimeline();
    },
  };

  const connect = () => {
    const events = new EventSource('events');
    for (const [kind, handle] of Object.entries(handlers)) {
      events.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
    }
    events.addEventListener('error', () => {
      if (page.history?.activity !== 'ended') setConnection('lost');
      // Browsers try again after a broken connection, but not after a refusal, as by a program that is about to end.
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
    });
  };

  const press = (control) => fetch(`control/${control}`, { method: 'POST' }).catch(() => setConnection('lost'));
  if (live.control) {
    for (const [control, words, help] of [
      ['rebuild', 'Rebuild', 'Try failed images again, or build those again that changed last'],
      ['pause', 'Pause', 'Pause or resume the watch'],
    ]) {
      buttons[control] = page.element(
        'button',
        { type: 'button', title: help, 'data-control': control, onclick: () => press(control) },
        words,
      );
    }
    page.at('controls').append(...Object.values(buttons));
  }
  connect();
});
