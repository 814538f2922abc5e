"""What an edit is: requests, implied attributes, methods, masks, and directions. Opens no model."""
