"""The catalogue of faults: every one of them on the reference stack, and the page that shows it."""
