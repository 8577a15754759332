"""Doors: one script per rule, which parses its arguments, calls one function and writes what that returns."""
