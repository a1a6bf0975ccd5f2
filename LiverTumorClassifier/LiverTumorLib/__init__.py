"""LiverTumorLib: liver and liver-tumor analysis of CT, shared by the three Slicer modules and the command line.

Importing this package, or any of its sub-packages, loads numpy at most; heavy libraries are imported where they are
used.
"""

__version__ = "0.1.0"
