"""The map that runs in the browser: JavaScript modules and their style."""
