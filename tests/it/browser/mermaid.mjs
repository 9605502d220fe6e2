// What Mermaid makes of drawings: for each, its error, or the texts of its boxes by id, the classes in use and the number of arrows.

import { file, input, withBrowser } from './driver.mjs';

const drawings = input();
await withBrowser(async (browser) => {
  const page = await browser.newPage();
  await page.addScriptTag({ path: file('mermaid/dist/mermaid.min.js') });
  return page.evaluate(async (drawings) => {
    // As code forges show it, but for their limits of size.
    mermaid.initialize({ startOnLoad: false, securityLevel: 'strict', maxTextSize: 1e6, maxEdges: 1e4 });
    const results = [];
    for (const drawing of drawings) {
      try {
        await mermaid.parse(drawing);
        const { svg } = await mermaid.render(`drawing${results.length}`, drawing);
        const place = document.createElement('div');
        place.innerHTML = svg;
        const boxes = {};
        for (const node of place.querySelectorAll('g.node')) {
          const lines = node.querySelector('.nodeLabel');
          for (const end of lines.querySelectorAll('br')) end.replaceWith('\n');
          const id = node.id.replace(/^.*?flowchart-/, '').replace(/-\d+$/, '');
          boxes[id] = { text: lines.textContent, classes: [...node.classList] };
        }
        const arrows = place.querySelectorAll('.edgePaths > path').length;
        results.push({ boxes, arrows, elements: place.querySelectorAll('script, a, img, iframe').length });
      } catch (error) {
        results.push({ error: String(error.message ?? error) });
      }
    }
    return results;
  }, drawings);
});
