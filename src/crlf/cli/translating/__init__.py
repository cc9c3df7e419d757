"""A request in the words of other tools, and theirs in ours."""
