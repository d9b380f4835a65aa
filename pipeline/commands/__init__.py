"""The verbs of the command `dongseon`, one module per noun."""
