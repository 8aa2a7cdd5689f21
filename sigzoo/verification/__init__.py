"""Is a questioned signature by the writer of the references: scores, and what is made of them."""
