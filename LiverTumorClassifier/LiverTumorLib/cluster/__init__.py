"""A batch over many processes or machines: one task of Dask for each case, the same work as one after another."""
