"""Many cases, one after another: which files are a case, skipping what is done, folders of results, what is told
meanwhile."""
