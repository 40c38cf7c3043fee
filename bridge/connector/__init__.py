"""The integration itself, for a HumHub without the module, or for a directory: create, open, convert, save."""
