"""From YAML files to a checked plan of a run."""
