"""What the store answers: each file registers its handlers when it is imported."""
