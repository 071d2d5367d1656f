"""Every lock-out drill, each in machines of its own; the table is among the messages of the test."""

import sys

import drills
from lab import main

rows = []


def one(name):
    def test():
        row = drills.drill(name)
        rows.append((name, row))
        assert row[0], f"{name}: the owner is locked out"
    test.__name__ = "test_" + name.replace(" ", "_")
    return test


if __name__ == "__main__":
    try:
        main(*[one(name) for name in drills.DRILLS])
    finally:
        with drills.contextlib.redirect_stdout(sys.stderr):
            drills.show(rows)
