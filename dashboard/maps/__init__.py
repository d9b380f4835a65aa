"""Layers, basemap and playback of the map."""
