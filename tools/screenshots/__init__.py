"""Every page in every state: the catalogue, installations in these states, and screenshots of them."""
