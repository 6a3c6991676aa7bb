"""The site's settings: name and look, who is responsible, and defaults."""
