"""delivery - the delivery agents and the frame they share."""
