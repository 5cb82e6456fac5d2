"""What lies between encoder and decoder: how a latent is inferred, and what it looks like before any data is seen."""
