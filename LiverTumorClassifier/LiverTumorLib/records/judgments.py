"""What a reader says of a lesion, in words that stay the same in tables, files and languages."""

from __future__ import annotations

from dataclasses import dataclass

from .columns import Column

ACCEPTED, REJECTED = "accepted", "rejected"
STATUSES = ("", ACCEPTED, REJECTED)
KINDS = ("", "metastasis", "HCC", "cyst", "hemangioma", "treated", "unclear")


@dataclass(frozen=True)
class Judgment:
    """What a reader says of a lesion; "" is what is not said.

    Attributes:
        status: one of `STATUSES`. A rejected lesion is kept, but neither shown nor counted.
        kind: one of `KINDS`.
        note: one line in the reader's words.

    Raises:
        ValueError: another status or kind.
    """

    status: str = ""
    kind: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES or self.kind not in KINDS:
            raise ValueError(f"no such judgment of a lesion: {self.status!r}, {self.kind!r}")

    @property
    def is_rejected(self) -> bool:
        """Whether the lesion is neither shown nor counted."""
        return self.status == REJECTED

    @property
    def is_said(self) -> bool:
        """Whether anything is said."""
        return self != Judgment()


JUDGMENT_COLUMNS = (
    Column("name", "name", str, description="The lesion's segment."),
    Column("status", "status", str, description="accepted, rejected (then it is not counted), or empty."),
    Column("kind", "type", str, description="What the reader takes the lesion for."),
    Column("note", "note", str),
)
