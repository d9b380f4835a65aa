"""Footage: sources, decoding, ingest of one camera, stills on demand."""
