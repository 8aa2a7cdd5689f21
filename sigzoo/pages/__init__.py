"""Pages that need nothing but a browser: escaped markup, a document with theme and policy."""
