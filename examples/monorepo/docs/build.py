"""Makes the handbook: build.py CONTENT OUT

Each Markdown file becomes a page that links to all others; the first line is its title.
"""

import sys
from pathlib import Path

from markdown import markdown

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<nav>{links}</nav>
<main>{body}</main>
</html>
"""


def main() -> None:
    content, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    pages = {path.stem: path.read_text(encoding="utf-8") for path in sorted(content.glob("*.md"))}
    links = " | ".join(f'<a href="{name}.html">{title(text)}</a>' for name, text in pages.items())
    for name, text in pages.items():
        page = PAGE.format(title=title(text), links=links, body=markdown(text, extensions=["tables"]))
        (out / f"{name}.html").write_text(page, encoding="utf-8")
    print("pages:", ", ".join(pages))


def title(text: str) -> str:
    return text.splitlines()[0].lstrip("# ")


if __name__ == "__main__":
    main()
