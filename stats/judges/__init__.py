"""How far an automatic judge agrees with people."""
