"""How each type of the journal's `undo` is carried out. Standard library only, but for `sql`: the guardian uses it."""
