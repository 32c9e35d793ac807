"""Numbers with their nouns and units in messages."""


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number and its noun, such as 1 image or 2,000 images.

    Words after the noun are part of both forms, as in "image is" and "images are".
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def duration(seconds: float) -> str:
    """Return a text such as "40 s", "14 min" or "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
