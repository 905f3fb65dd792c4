"""The language of configs: YAML with places, expressions, moments, and parameters."""
