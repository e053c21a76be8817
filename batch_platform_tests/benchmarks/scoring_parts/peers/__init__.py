"""What others would use for the same work, with the model as torch runs it. One module for each."""
