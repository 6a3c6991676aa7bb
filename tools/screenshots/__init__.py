"""Every page of Efir in every state: the catalogue, installations that are in these states, and pictures of them."""
