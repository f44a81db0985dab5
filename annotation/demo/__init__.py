"""The demo project's ratings: people who can log in, and simulated raters whose scores are drawn."""
