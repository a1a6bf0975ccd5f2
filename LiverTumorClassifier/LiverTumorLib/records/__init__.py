"""What a run is asked and what it finds: plain data, and nothing that reads or writes it."""
