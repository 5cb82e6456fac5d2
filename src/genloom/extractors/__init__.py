"""What sees features in content, and its training."""
