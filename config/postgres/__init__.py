"""Django's PostgreSQL engine with two things more: it starts the embedded server on first use, and wants version 15."""
