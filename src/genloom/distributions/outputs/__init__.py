"""What the numbers of a sequence network mean."""
