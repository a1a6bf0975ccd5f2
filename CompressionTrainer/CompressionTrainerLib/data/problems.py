"""What is wrong with a data folder, one row for each problem."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

COLUMNS = ["severity", "case", "file", "what is wrong", "what to do"]


@dataclass(frozen=True)
class Problem:
    """One row of the table.

    Attributes:
        case: id of the case, empty where no case has the file.
        file: the file or folder.
        what: what is wrong with it.
        remedy: what to do.
        blocking: whether the case cannot be used before that is done; otherwise it is a note.
    """

    case: str
    file: Path
    what: str
    remedy: str
    blocking: bool = True

    @classmethod
    def from_sentence(cls, case: str, file: Path, sentence: str, blocking: bool = True) -> Problem:
        """A problem from an error's or a note's sentence, 'what is wrong; what to do.'."""
        what, _, remedy = sentence.rstrip(".").rpartition("; ")
        return cls(case, file, what or remedy, remedy if what else "repair or remove the file", blocking)

    def row(self) -> dict[str, str]:
        """The row of check.csv."""
        return dict(
            zip(
                COLUMNS,
                ("error" if self.blocking else "note", self.case, str(self.file), self.what, self.remedy),
                strict=True,
            )
        )

    def __str__(self) -> str:
        case = f"case {self.case}: " if self.case else ""
        what = self.what if str(self.file) in self.what else f"{self.file}: {self.what}"
        return f"{'error' if self.blocking else 'note '}  {case}{what}; {self.remedy}."
