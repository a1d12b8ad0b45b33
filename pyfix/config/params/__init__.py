"""params - the parameters of main.cf, a file for each program and mail for what several read.

GROUPS names every class that declares parameters. It is loaded as a whole by postconf and
by whoever meets a name that is not its own (pyfix.config.registry).
"""

GROUPS = {
    "mail": "pyfix.config.params.mail:MailParams",
    "master": "pyfix.config.params.master:MasterParams",
    "smtpd": "pyfix.config.params.smtpd:SmtpdParams",
    "cleanup": "pyfix.config.params.cleanup:CleanupParams",
    "smtp": "pyfix.config.params.smtp:SmtpParams",
    "lmtp": "pyfix.config.params.smtp:LmtpParams",
    "trivial_rewrite": "pyfix.config.params.trivial_rewrite:TrivialRewriteParams",
    "pickup": "pyfix.config.params.pickup:PickupParams",
    "qmgr": "pyfix.config.params.qmgr:QmgrParams",
    "local": "pyfix.config.params.local:LocalParams",
    "flush": "pyfix.config.params.flush:FlushParams",
    "virtual": "pyfix.config.params.virtual:VirtualParams",
    "error": "pyfix.config.params.error:ErrorParams",
    "bounce": "pyfix.config.params.bounce:BounceParams",
    "postlogd": "pyfix.config.params.postlogd:PostlogdParams",
    "tls": "pyfix.config.params.tls:TlsParams",
    "milter": "pyfix.config.params.milter:MilterParams",
    "anvil": "pyfix.config.params.anvil:AnvilParams",
    "dnsblog": "pyfix.config.params.dnsblog:DnsblogParams",
    "nbdb_reindexd": "pyfix.config.params.nbdb_reindexd:NbdbReindexdParams",
    "pipe": "pyfix.config.params.pipe:PipeParams",
    "postdrop": "pyfix.config.params.postdrop:PostdropParams",
    "postfix": "pyfix.config.params.postfix:PostfixParams",
    "postmulti": "pyfix.config.params.postmulti:PostmultiParams",
    "postscreen": "pyfix.config.params.postscreen:PostscreenParams",
    "proxymap": "pyfix.config.params.proxymap:ProxymapParams",
    "qmqpd": "pyfix.config.params.qmqpd:QmqpdParams",
    "scache": "pyfix.config.params.scache:ScacheParams",
    "tlsmgr": "pyfix.config.params.tlsmgr:TlsmgrParams",
    "tlsproxy": "pyfix.config.params.tlsproxy:TlsproxyParams",
    "verify": "pyfix.config.params.verify:VerifyParams",
}
