"""Pictures: reading and writing them, resampling, and views of which only what is looked at is computed."""
