"""Reference trainers: one shared loop, one file per method that states its loss."""
