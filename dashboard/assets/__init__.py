"""Style and icon of the pages."""
