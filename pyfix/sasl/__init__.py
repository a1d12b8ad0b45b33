"""sasl - who we are, told to servers: mechanisms and how one is chosen"""
