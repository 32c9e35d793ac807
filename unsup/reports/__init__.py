"""A report as text, Markdown and one HTML page; knows no model and no data set."""
