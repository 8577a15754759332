"""What the job of one cell does. Jobs know the library and their own cell, and nothing of tables and figures."""
