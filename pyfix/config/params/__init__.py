"""params - every parameter, a line each, one file per program that reads it."""
