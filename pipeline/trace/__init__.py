"""Trace: search, path, contacts, exposure, under an Authorisation only."""
