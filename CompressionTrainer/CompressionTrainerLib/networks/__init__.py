"""Network builders. Each takes the keras module as a parameter and returns a flat functional model (tfmot accepts no
other)."""
