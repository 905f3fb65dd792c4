"""One run: the canvas, the views of its targets, their losses, and the loop over the epochs."""
