"""Adds a bill up."""

import logging
import os

logging.basicConfig(level=os.environ["LOG_LEVEL"].upper(), format="%(levelname)s %(message)s")
items = {"coffee": 2.8, "cake": 3.6}
for name, price in items.items():
    logging.debug("%s costs %.2f", name, price)
logging.info("total %.2f", sum(items.values()))
