"""Tables of facts, written to be read: a line a row, cells between bars."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by the cells that name them; the rest of a row as it is written."""

    rows: dict[tuple[str, ...], tuple[str, ...]]

    @classmethod
    def read(cls, text: str, *, names: int) -> Table:
        """Read a table, below its ruled line, whose first ``names`` columns name a row.

        The last of them may list several, which stand for a row each; one that is left out is the one above.
        """
        lines = text.strip().splitlines()
        (rule,) = [at for at, line in enumerate(lines) if set(line) == set("-+")]
        rows: dict[tuple[str, ...], tuple[str, ...]] = {}
        above: tuple[str, ...] = ("",) * names
        for line in map(_cells, lines[rule + 1 :]):
            assert len(line) == len(_cells(lines[0])), f"a row of {len(line)} cells: {line}"
            above = tuple(cell or before for cell, before in zip(line[:names], above, strict=True))
            for last in above[-1].split(", "):
                name = (*above[:-1], last)
                assert name not in rows, f"two rows are named {name}"
                rows[name] = line[names:]
        return cls(rows)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.split("|"))
