"""The page and the API: `facedial serve`."""
