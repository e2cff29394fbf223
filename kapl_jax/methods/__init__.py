"""The published methods: each a space, a problem and its defaults."""
