"""The script that the server runs; apart from `pages`, which it alone opens."""
