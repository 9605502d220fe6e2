"""Makes a web page of every Markdown file: build.py PAGES OUT"""

import pathlib
import sys

from markdown import markdown

pages, out = map(pathlib.Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
for page in sorted(pages.glob("*.md")):
    html = markdown(page.read_text(encoding="utf-8"))
    (out / page.with_suffix(".html").name).write_text(f"<!doctype html>\n{html}\n", encoding="utf-8")
    print("wrote", page.stem)
