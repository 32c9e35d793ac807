"""Numbers with their nouns in messages."""


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number and its noun, such as 1 image or 2,000 images.

    Words after the noun are part of both forms, as in "image is" and "images are".
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"
