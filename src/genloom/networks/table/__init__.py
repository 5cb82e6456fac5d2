"""Networks of the rows of tables."""
