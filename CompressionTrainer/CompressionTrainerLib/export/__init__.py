"""From trained weights to a bundle that inference can use."""
