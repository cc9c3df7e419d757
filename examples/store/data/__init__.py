"""What the store knows and remembers. Nothing here has heard of requests and pages."""
