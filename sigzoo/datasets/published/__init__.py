"""Layouts in which published data sets are handed out, a module a data set; users bring the files."""
