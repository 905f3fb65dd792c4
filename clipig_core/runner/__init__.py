"""Around a run: driving it, those who follow it, files, and how a picture was made."""
