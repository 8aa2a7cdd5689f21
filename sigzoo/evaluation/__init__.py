"""Measuring: distances, error rates, protocols, and the data sets they are run on."""
