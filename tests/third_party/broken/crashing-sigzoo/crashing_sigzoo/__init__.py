"""A plugin that raises when it is imported."""

raise OSError("libsecret.so.6: cannot open shared object file")
