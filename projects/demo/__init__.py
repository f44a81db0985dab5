"""The demo project: prompts and responses of our own writing, and simulated ratings of them."""
