"""The messages of the images, generated from proto/ by tools/generate_messages.py."""
