"""The recorded reports in results/, and the tables and cards made from them."""
