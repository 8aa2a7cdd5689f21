"""What training learns from: where signatures come from, whose they are, and how they become input."""
