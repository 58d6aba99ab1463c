# SPDX-License-Identifier: Apache-2.0
"""Run by each interpreter that a wheel was installed into, from a folder other than the checkout."""

import csv
import sys
from pathlib import Path

import deberta_c

checkout = Path(sys.argv[1]).resolve()
installed = Path(deberta_c.__file__).resolve()
assert checkout not in installed.parents, f"{installed} belongs to the checkout, not to the wheel"
with Path(deberta_c.sample_messages()).open(encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
classifier = deberta_c.pipeline("text-classification")
found = [answer["label"] for answer in classifier([row["text"] for row in rows])]
right = sum(label == row["label"] for label, row in zip(found, rows, strict=True))
assert right >= 0.8 * len(rows), f"only {right} of {len(rows)} sample messages have the right label"
deberta_c.show_config()
print(f"{right} of {len(rows)} sample messages have the right label")
