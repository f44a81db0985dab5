"""A model server of our own: started, watched, started again after a crash, and never left behind."""
