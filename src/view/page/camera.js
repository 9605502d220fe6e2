// Moves the picture: one transform of one element, by drag, wheel, pinch and buttons. Panzoom does the dragging and pinching,
// and owns scale and place.
page.camera = (() => {
  const stage = page.at('stage');
  const canvas = page.at('canvas');
  const largest = 1.25;
  let panzoom = null;
  /** The size of the picture. */
  let picture = { width: 1, height: 1 };
  /** How small a picture can be: without texts, which nobody could read, and with thicker lines. */
  const distances = [
    ['farthest', 0.12],
    ['far', 0.3],
  ];
  /** The size of the stage when it was last looked at. */
  let known = null;
  /** Whether all is shown, because nobody has moved since; it then stays so when the stage changes its size. */
  let isWhole = true;

  const size = () => ({ width: stage.clientWidth, height: stage.clientHeight });

  // The transform is `scale(s) translate(x, y)` around the middle of the picture.

  /** Puts a point of the picture at a point of the stage. */
  const place = (scale, [px, py], [qx, qy], animate) => {
    const [cx, cy] = [picture.width / 2, picture.height / 2];
    isWhole = false;
    panzoom.zoom(scale, { animate });
    const real = panzoom.getScale();
    panzoom.pan((qx - cx) / real - (px - cx), (qy - cy) / real - (py - cy), { animate });
  };

  /** The point of the picture at a point of the stage. */
  const under = ([qx, qy]) => {
    const scale = panzoom.getScale();
    const { x, y } = panzoom.getPan();
    const [cx, cy] = [picture.width / 2, picture.height / 2];
    return [cx + (qx - cx) / scale - x, cy + (qy - cy) / scale - y];
  };

  /** What `place` needs to show a part of the picture: `{x, y, width, height}`. */
  const fitting = (part) => {
    const { width, height } = size();
    // Above, chips float over the picture.
    const [aside, above] = width < 500 ? [12, 56] : [32, 64];
    const scale = Math.min((width - 2 * aside) / part.width, (height - 2 * above) / part.height, largest);
    return [Math.max(scale, 0.02), [part.x + part.width / 2, part.y + part.height / 2], [width / 2, height / 2]];
  };

  const whole = () => ({ x: 0, y: 0, ...picture });

  const fit = (animate = !page.isCalm()) => {
    if (stage.clientWidth === 0) return;
    place(...fitting(whole()), animate);
    isWhole = true;
  };

  const zoomBy = (factor, point) => {
    const { width, height } = size();
    const at = point ?? [width / 2, height / 2];
    place(panzoom.getScale() * factor, under(at), at, !point && !page.isCalm());
  };

  /** Puts a box into the middle, large enough to be read. */
  const centre = (box) => {
    const { width, height } = size();
    const scale = Math.min(Math.max(panzoom.getScale(), 0.9), 1.5);
    place(scale, [box.x + box.width / 2, box.y + box.height / 2], [width / 2, height / 2], !page.isCalm());
  };

  /** Moves as little as possible so that a box is seen. */
  const reveal = (box) => {
    const { width, height } = size();
    const scale = panzoom.getScale();
    const [left, top] = under([0, 0]);
    const outside = (start, length, from, extent) => {
      const [low, high] = [from + 24 / scale, from + (extent - 24) / scale - length];
      if (start < low) return start - low;
      return start > high ? start - high : 0;
    };
    const [dx, dy] = [outside(box.x, box.width, left, width), outside(box.y, box.height, top, height)];
    if (dx !== 0 || dy !== 0) place(scale, [left + dx, top + dy], [0, 0], !page.isCalm());
  };

  /** Keeps in the middle what was there when the stage changes its size. */
  const resized = () => {
    const now = size();
    const was = known;
    if (now.width === 0 || (was && was.width === now.width && was.height === now.height)) return;
    known = now;
    if (!was || was.width === 0) fit(false);
    else if (isWhole) fit();
    else place(panzoom.getScale(), under([was.width / 2, was.height / 2]), [now.width / 2, now.height / 2], false);
  };

  // Wheel events come faster than frames; each frame moves once.
  let wheel = null;
  const wheeled = (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    const step = Math.max(-120, Math.min(120, pixels)) * (event.ctrlKey ? 0.01 : 0.002);
    const bounds = stage.getBoundingClientRect();
    const at = [event.clientX - bounds.left, event.clientY - bounds.top];
    if (!wheel) {
      requestAnimationFrame(() => {
        zoomBy(Math.exp(-wheel.step), wheel.at);
        wheel = null;
      });
    }
    wheel = { step: (wheel?.step ?? 0) + step, at };
  };

  // No `will-change`: a layer of its own would be painted whole at each new size, where only what is seen has to be.
  const moved = () => {
    const scale = panzoom.getScale();
    const distance = distances.find(([, largest]) => scale < largest)?.[0] ?? '';
    if (canvas.dataset.distance !== distance) canvas.dataset.distance = distance;
  };

  /** Takes the picture of this size; the first one is shown whole. */
  const take = ({ width, height }) => {
    picture = { width, height };
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    if (!panzoom) begin();
  };

  const begin = () => {
    const [scale, [px, py], [qx, qy]] = fitting(whole());
    const [cx, cy] = [picture.width / 2, picture.height / 2];
    panzoom = Panzoom(canvas, {
      canvas: true,
      cursor: 'grab',
      overflow: 'clip',
      minScale: 0.02,
      maxScale: 4,
      duration: 220,
      easing: 'ease-out',
      handleStartEvent: () => {},
      startScale: scale,
      startX: (qx - cx) / scale - (px - cx),
      startY: (qy - cy) / scale - (py - cy),
    });
    known = size();
    moved();
    canvas.addEventListener('panzoomchange', moved);
    stage.addEventListener('pointermove', (event) => {
      if (event.buttons > 0) isWhole = false;
    });
    stage.addEventListener('wheel', wheeled, { passive: false });
    page.at('zoom-in').addEventListener('click', () => zoomBy(1.3));
    page.at('zoom-out').addEventListener('click', () => zoomBy(1 / 1.3));
    page.at('zoom-fit').addEventListener('click', () => fit());
    new ResizeObserver(resized).observe(stage);
  };

  return { take, fit, show: (part) => place(...fitting(part), false), zoomBy, centre, reveal, resized };
})();
