// Keeps the page up to date with the program that serves it; a page in a file has nothing to listen to.
