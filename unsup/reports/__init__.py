"""A report as text, Markdown and one HTML page, for any model and data set."""
