"""The store and the casebook among faults; each test enters a row of the table."""
