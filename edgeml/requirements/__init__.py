"""What an artifact asks of a device, and what engines and devices offer, requirement by requirement."""
