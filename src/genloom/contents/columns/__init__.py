"""The columns of a table, a file for each kind."""
