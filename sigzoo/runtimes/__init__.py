"""What runs a network: a module for each runtime of the core; plugins register more."""
