"""Finds words in a small index."""

import sqlite3

index = sqlite3.connect(":memory:")
index.execute("create virtual table pages using fts5(title, text)")
index.executemany("insert into pages values (?, ?)", [("graph", "bases first"), ("key", "what changed")])
for (title,) in index.execute("select title from pages where pages match 'bases'"):
    print("found:", title)
