"""Brings a database up to date: migrate.py DATABASE

Files in sql/ are applied in the order of their names, each once, each in a transaction of its own.
"""

import sqlite3
import sys
from pathlib import Path


def main() -> None:
    database = sqlite3.connect(sys.argv[1], isolation_level=None)
    database.execute("create table if not exists migrations (name text primary key)")
    done = {name for (name,) in database.execute("select name from migrations")}
    for file in sorted((Path(__file__).parent / "sql").glob("*.sql")):
        if file.name in done:
            continue
        try:
            database.executescript(f"begin; {file.read_text(encoding='utf-8')}")
            database.execute("insert into migrations values (?)", (file.name,))
            database.execute("commit")
        except sqlite3.Error as error:
            sys.exit(f"{file.name}: {error}")
        print("applied", file.name)


if __name__ == "__main__":
    main()
