"""Applications: handlers by route, what they return, and how they are called."""
