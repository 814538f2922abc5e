"""Training: recipes, models, losses, the loop and the export. The only room that knows torch."""
