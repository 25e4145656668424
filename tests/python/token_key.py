"""Puts a private key into a PKCS#11 token that wants its PIN at each use, which softhsm2-util cannot.

The arguments: the module, the token's PIN, the key's label, and its file (PKCS#8 in PEM). The token's label is bench.
"""

import sys

import pkcs11
from asn1crypto import keys, pem
from pkcs11.util.ec import decode_ec_private_key
from pkcs11.util.rsa import decode_rsa_private_key

module, pin, label, file = sys.argv[1:]

with open(file, "rb") as text:
    _, _, der = pem.unarmor(text.read())
key = keys.PrivateKeyInfo.load(der)
inner = key["private_key"].parsed
if key.algorithm == "rsa":
    attributes = decode_rsa_private_key(inner.dump())
else:
    inner["parameters"] = key["private_key_algorithm"]["parameters"]
    attributes = decode_ec_private_key(inner.dump())
token = pkcs11.lib(module).get_token(token_label="bench")
with token.open(rw=True, user_pin=pin) as session:
    made = session.create_object({
        **attributes,
        pkcs11.Attribute.TOKEN: True,
        pkcs11.Attribute.PRIVATE: True,
        pkcs11.Attribute.SENSITIVE: True,
        pkcs11.Attribute.SIGN: True,
        pkcs11.Attribute.LABEL: label,
        pkcs11.Attribute.ALWAYS_AUTHENTICATE: True,
    })
    assert made[pkcs11.Attribute.ALWAYS_AUTHENTICATE]
