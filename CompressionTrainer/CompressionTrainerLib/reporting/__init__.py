"""The report: one HTML page made of what training, evaluation and benchmark left in their folders.

`inputs` finds and reads the files, `plots_*` draw, `section_*` choose what to say of them, `page` puts it together.
Runs without TensorFlow. What was not given is left out.
"""
