"""dns - what the Domain Name System says, behind our own small interface over dnspython"""
