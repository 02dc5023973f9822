"""The clinic as people meet it: Chromium, a real web server, a worker, and the demo gateway over HTTP."""
