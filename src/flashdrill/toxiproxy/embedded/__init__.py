"""A Toxiproxy of our own: the HTTP API of 2.12 over asyncio, for machines where the real one cannot be had.

Meant to be told apart from the real server by nothing but these, each a fault of the real one:

- `reset_peer` sends RST on existing connections too, and with toxicity 0 leaves clean closes alone;
- a share (`toxicity`) is drawn once per connection, repeatable with `-seed`, and is not drawn again when toxics
  change; removing `timeout` closes only the connections that it worked on;
- removing `reset_peer` before it fires lets the held data go, and the connection lives;
- latencies add up for chunks that wait behind others, too;
- an update that is refused changes nothing; `/reset` heals every proxy even when one cannot listen;
- `slicer` with an average size of 0 and `bandwidth` with a negative rate do not bring the server down.

And by what the real one lacks: toxics in a `-config` file, and bytes counted at `/metrics` while a connection lives.
A syntax error in a body is told in other words after `bad request body: `; `/metrics` tells of Python's runtime.
"""
