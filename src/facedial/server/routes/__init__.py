"""Routes of the API by group; each module makes a router of an `AppState`."""
