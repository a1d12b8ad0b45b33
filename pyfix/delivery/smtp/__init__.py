"""smtp - the SMTP and LMTP client"""
