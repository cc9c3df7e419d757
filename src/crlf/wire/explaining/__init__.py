"""What `crlf.wire.explain` is made of: elements, spans, heads, bodies, faults and their mending."""
