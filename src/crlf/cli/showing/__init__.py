"""What becomes of an answer: shown, formatted, written, told of."""
