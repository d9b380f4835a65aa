"""Vision: models, faces, persons, tracking, appearance, masks, mosaic."""
