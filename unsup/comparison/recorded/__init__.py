"""The reports that results/ keeps, and the tables and cards written from them."""
