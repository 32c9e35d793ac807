"""Remarks on the files of a folder that the user should know of."""

from dataclasses import dataclass, field
from pathlib import Path

from unsup.core.errors import printable
from unsup.core.files import replace_file
from unsup.core.tables import read_table, table, unquoted
from unsup.core.words import counted
from unsup.data.pixels import Picture

DARK = 1 << 14  # 16-bit images without a value from here on hold fewer bits
COLUMNS = ("file", "remark", "detail")
UNREADABLE, FIRST_FRAME, HIGHEST = "unreadable", "first frame", "highest value"


@dataclass
class Remarks:
    """Files that are read otherwise than a user may expect, or not at all.

    Attributes:
        unreadable: reasons by file.
        first_frame: animations and files of several pages, of which the first is taken.
        highest: values in images of 16 bits whose range is not stated.
    """

    unreadable: dict[str, str] = field(default_factory=dict)
    first_frame: set[str] = field(default_factory=set)
    highest: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.unreadable or self.first_frame or self.highest)

    def add(self, file: str, picture: Picture | str) -> None:
        """Note what is remarkable about a decoded file, or why it cannot be read."""
        if isinstance(picture, str):
            self.unreadable[file] = picture
            return
        if picture.is_first_frame:
            self.first_frame.add(file)
        if picture.highest is not None:
            self.highest[file] = picture.highest

    def lines(self) -> list[str]:
        """Return what to say of readable images, on one line for each kind."""
        lines = []
        if self.first_frame:
            example = printable(min(self.first_frame))
            lines.append(
                f"{counted(len(self.first_frame), 'animated or multi-page file')}: the first frame is read ({example})"
            )
        if self.highest and (most := max(self.highest.values())) < DARK:
            bits = max(8, most.bit_length())
            lines.append(
                f"{len(self.highest):,} images of 16 bits have no value above {most:,} and are dark: "
                f'--data.value_range "[0, {(1 << bits) - 1}]" reads them as images of {bits} bits'
            )
        return lines

    def write(self, path: Path) -> None:
        """Write a table of all remarks, sorted by file."""
        rows = [(file, UNREADABLE, reason) for file, reason in self.unreadable.items()]
        rows += [(file, FIRST_FRAME, "") for file in self.first_frame]
        rows += [(file, HIGHEST, str(value)) for file, value in self.highest.items()]
        replace_file(path, table(COLUMNS, sorted(rows)))

    @classmethod
    def read(cls, path: Path) -> "Remarks":
        """Return the remarks of a table, none if there is no such file."""
        remarks = cls()
        if not path.exists():
            return remarks
        for row in read_table(path, COLUMNS):
            name, remark, detail = (unquoted(row[column]) for column in COLUMNS)
            if remark == UNREADABLE:
                remarks.unreadable[name] = detail
            elif remark == FIRST_FRAME:
                remarks.first_frame.add(name)
            else:
                remarks.highest[name] = int(detail)
        return remarks
