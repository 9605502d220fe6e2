"""Renders a report of a small table."""

import pandas
import yaml
from jinja2 import Template

TABLE = pandas.DataFrame(yaml.safe_load("{a: [1, 2, 3], b: [2, 4, 6]}"))

print(Template("a: {{ a }}, b: {{ b }}").render(TABLE.mean().to_dict()))
