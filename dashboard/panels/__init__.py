"""Parts of pages: lists and tables beside the map."""
