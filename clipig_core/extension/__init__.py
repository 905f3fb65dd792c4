"""How clipig is extended: kinds of components, hooks, the registry, and what components say of themselves."""
