"""Features in SQLite."""

import json
import sqlite3


class Store:
    """The last known features of each customer."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path, check_same_thread=False)
        self.database.execute("create table if not exists features (customer text primary key, value text not null)")

    def put(self, customer: str, features: list[float]) -> None:
        """Replaces what is known of a customer."""
        with self.database:
            self.database.execute("replace into features values (?, ?)", (customer, json.dumps(features)))

    def get(self, customer: str) -> list[float] | None:
        """What is known of a customer, if anything."""
        row = self.database.execute("select value from features where customer = ?", (customer,)).fetchone()
        return json.loads(row[0]) if row else None
