"""The images: their messages, files and directory, in the format that CRIU uses."""
