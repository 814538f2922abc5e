"""Tasks that several recipes share. Recipes import from here, never from each other."""
