"""What a sequence model's numbers mean: a distribution of the next token or value, a point, quantiles."""
