"""Photos of one album: measures of each face, groups of near-duplicates, and the best of each."""
