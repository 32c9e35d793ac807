"""How a run reads image files."""

from unsup.data.pixels import Reading
from unsup.runs.run import Run


def reading_of(run: Run) -> Reading:
    """Return how the images that a run was trained on were read."""
    options = run.config["data"]["init_args"]
    given = {name: options[name] for name in ("value_range", "max_megapixels") if options.get(name) is not None}
    return Reading(**given)
