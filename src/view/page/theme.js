// Runs before anything is painted, so that a page in a theme of the reader's choice does not flash in another one.
'use strict';
try {
  const theme = localStorage.getItem('imgspec-theme');
  if (['auto', 'light', 'dark'].includes(theme)) document.documentElement.dataset.theme = theme;
} catch {
  // A page opened as a file may be denied storage.
}
