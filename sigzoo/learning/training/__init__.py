"""Training: one loop for every backbone, loss and sampler, and what a run leaves behind."""
