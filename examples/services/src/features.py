"""Prints features of a small table."""

import pandas
import yaml

TABLE = yaml.safe_load("{a: [1, 2, 3], b: [2, 4, 6]}")

print(pandas.DataFrame(TABLE).corr().to_string())
