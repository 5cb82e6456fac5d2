"""Tables: their files, cells and columns."""
