// Draws when each image was built, and by which worker.
page.showTimeline = () => {};
