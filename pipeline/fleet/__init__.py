"""Many cameras, day and night: sources, recording, fair scheduling, state."""
