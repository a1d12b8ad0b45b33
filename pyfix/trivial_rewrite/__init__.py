"""trivial_rewrite - rewrites addresses to standard form and resolves them."""
