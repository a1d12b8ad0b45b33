# make start   the first minute: an instance below var/, one message through it
# make stop    stop it
# make test    all tests, in an environment of their own
# make lint    ruff and mypy --strict
# make peers   (root, Debian) real Postfix and other programs that some tests talk to
# make bench   beside real Postfix, in one run; BENCH="w1 w2 --pairs 1": some of it

# The system's interpreter where it will do: distributions build it with profile-guided
# optimisation, and it can be read by the users that daemons become.
USABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell /usr/bin/python3 -c '$(USABLE)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
BIN = .venv/bin
PIP = $(BIN)/pip --quiet --disable-pip-version-check
# A plain path to this tree: setuptools' other way imports much at every start of Python.
EDITABLE = --config-settings editable_mode=compat --editable

start: .venv/installed
	@$(BIN)/pyfix demo var

stop: .venv/installed
	@$(BIN)/pyfix end var

test: .venv/tests
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

lint: .venv/tests
	$(BIN)/ruff check
	$(BIN)/mypy

bench: .venv/tests
	$(BIN)/python -m bench.run $(BENCH)

.venv/installed: pyproject.toml setup.py conf/bin/sendmail
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(PIP) install $(EDITABLE) .
	@touch $@

.venv/tests: .venv/installed
	@$(PIP) install $(EDITABLE) '.[test]'
	@$(PIP) install $(EDITABLE) '.[ldap]' || echo 'ldap: tables go untested: python-ldap needs the headers of libldap and libsasl2'
	@touch $@

# Debian starts a daemon when it is installed, unless policy-rc.d says no. Nothing that was
# there before is changed.
PEERS = postfix postfix-doc postfix-lmdb postfix-pcre swaks pflogsumm fail2ban dovecot-lmtpd \
	s-nail git git-email libmailtools-perl \
	postfix-cdb db5.3-util postfix-ldap postfix-mysql postfix-pgsql postfix-sqlite \
	gcc libldap-dev libsasl2-dev libsasl2-modules python3-dev \
	mariadb-server memcached postgresql redis-server slapd \
	procmail maildrop $(EXIM_LIBRARIES) $(KRB5_LIBRARIES)
EXIM_LIBRARIES = libgnutls-dane0 libidn12 libnsl2
KRB5_LIBRARIES = libgssrpc4 libkadm5srv-mit12 libkdb5-10 libverto-libev1
EXIM_USER = Debian-exim
POLICY = /usr/sbin/policy-rc.d

peers:
	@if ! test -e $(POLICY); then \
	    printf '#!/bin/sh\n# pyfix: make peers\nexit 101\n' > $(POLICY) && chmod 755 $(POLICY); fi
	apt-get -q update
	DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $(PEERS); \
	    status=$$?; grep -q 'pyfix: make peers' $(POLICY) && rm $(POLICY); exit $$status
	@getent passwd $(EXIM_USER) || useradd --system --user-group --shell /usr/sbin/nologin $(EXIM_USER)
	$(MAKE) --no-print-directory .peers/exim4 .peers/krb5

# Installed, exim4 would take postfix's place. Its program is all that tests need, and the user that it looks for.
.peers/exim4:
	mkdir -p $@.new
	cd $@.new && apt-get -q download exim4-daemon-light && dpkg -x exim4-daemon-light_*.deb . && rm *.deb
	mv $@.new $@

# Installed, the KDC would be a service of this machine, and GSSAPI one of all its programs' mechanisms.
.peers/krb5:
	mkdir -p $@.new
	cd $@.new && apt-get -q download krb5-kdc krb5-admin-server libsasl2-modules-gssapi-mit && \
	    for package in *.deb; do dpkg -x $$package . || exit 1; done && rm *.deb
	mv $@.new $@

.PHONY: start stop test lint bench peers
