"""Files: folders and what of them is shown, chosen, listed and taken in."""
