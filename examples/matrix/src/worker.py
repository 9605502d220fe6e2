"""Says what kind of worker it is."""

import os

THREADS = {"small": 2, "large": 16}

size = os.environ["SIZE"]
print(f"worker in {os.environ['REGION']} with {THREADS[size]} threads")
