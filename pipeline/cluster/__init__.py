"""The same ingest and simulation spread over several processes or machines by Ray."""
