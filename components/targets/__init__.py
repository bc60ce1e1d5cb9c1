"""What pools and a router are made of on each target."""
