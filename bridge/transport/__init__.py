"""How bytes move: connections to upstreams, streamed bodies, websockets."""
