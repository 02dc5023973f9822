"""How much of a bare Django view's speed is left in ours: `./run bench`, or `python -m bench --help`."""
