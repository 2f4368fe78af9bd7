"""Top floor: how far we are, and telling people; the front door."""
