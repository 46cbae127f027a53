/** The configuration of `openssl`: a section for each authority and each kind of leaf. */
export const sections: string = `
[req]
distinguished_name = dn
string_mask = utf8only
[dn]

# Authorities
[step_root]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[step_intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[vault_root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:internal
[easyrsa_ca]
basicConstraints = CA:TRUE
keyUsage = cRLSign, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always, issuer:always
[aws_root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[debian_v3_ca]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always, issuer
basicConstraints = critical, CA:true
[cert_manager_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyEncipherment, keyCertSign
subjectKeyIdentifier = 0102030405060708090a0b0c0d0e0f1011121314
[cfssl_ca]
basicConstraints = critical, CA:TRUE, pathlen:2
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = none
[cfssl_intermediate]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyEncipherment, keyCertSign, cRLSign
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
[adcs_ca]
basicConstraints = critical, CA:TRUE
keyUsage = digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
1.3.6.1.4.1.311.21.1 = ASN1:INTEGER:0
[adcs_issuing]
basicConstraints = critical, CA:TRUE
keyUsage = digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
1.3.6.1.4.1.311.21.1 = ASN1:INTEGER:0
1.3.6.1.4.1.311.20.2 = ASN1:BMP:SubCA
crlDistributionPoints = URI:http://pki.corp.example/root.crl

# Leaves
[step_leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:core-api.internal
1.3.6.1.4.1.37476.9000.64.1 = ASN1:SEQUENCE:step_provisioner
[step_provisioner]
type = INTEGER:1
name = OCTETSTRING:admin
[step_client]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:core-api.internal
[vault_client]
keyUsage = critical, digitalSignature, keyEncipherment, keyAgreement
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
authorityInfoAccess = caIssuers;URI:http://vault.internal/v1/pki/ca
crlDistributionPoints = URI:http://vault.internal/v1/pki/crl
subjectAltName = DNS:core-api.internal
certificatePolicies = 1.3.6.1.4.1.99999.1
[easyrsa_client]
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid, issuer:always
extendedKeyUsage = clientAuth
keyUsage = digitalSignature
nsComment = "Easy-RSA Generated Certificate"
nsCertType = client
subjectAltName = DNS:core-api.internal
[aws_client]
basicConstraints = CA:FALSE
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:core-api.internal
[aws_end_entity]
basicConstraints = CA:FALSE
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:core-api.internal
[debian_usr_cert]
basicConstraints = CA:FALSE
nsCertType = client, email, objsign
nsComment = "OpenSSL Generated Certificate"
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid, issuer
subjectAltName = DNS:core-api.internal
[debian_v3_req]
basicConstraints = CA:FALSE
keyUsage = nonRepudiation, digitalSignature, keyEncipherment
subjectAltName = DNS:core-api.internal
[guide_usr_cert]
basicConstraints = CA:FALSE
nsCertType = client, email
nsComment = "OpenSSL Generated Client Certificate"
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid, issuer
keyUsage = critical, nonRepudiation, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth, emailProtection
subjectAltName = DNS:core-api.internal
[cert_manager_default]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
authorityKeyIdentifier = keyid
subjectAltName = critical, DNS:core-api.internal
[cert_manager_client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
subjectAltName = DNS:core-api.internal
[cfssl_client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:core-api.internal
[adcs_workstation]
keyUsage = digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
1.3.6.1.4.1.311.21.7 = ASN1:SEQUENCE:adcs_template
1.3.6.1.4.1.311.21.10 = ASN1:SEQUENCE:adcs_policies
subjectAltName = DNS:core-api.internal, otherName:1.3.6.1.4.1.311.20.2.3;UTF8:core-api@corp.example
crlDistributionPoints = URI:http://pki.corp.example/issuing.crl
authorityInfoAccess = caIssuers;URI:http://pki.corp.example/issuing.crt
[adcs_template]
template = OID:1.3.6.1.4.1.311.21.8.1.2.3
major = INTEGER:100
minor = INTEGER:2
[adcs_policies]
policy = SEQUENCE:adcs_policy
[adcs_policy]
identifier = OID:1.3.6.1.5.5.7.3.2
[with_crl_sign]
keyUsage = critical, digitalSignature, cRLSign
extendedKeyUsage = clientAuth
subjectAltName = DNS:core-api.internal
[critical_usages]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, clientAuth
subjectAltName = DNS:core-api.internal
[any_beside_client]
keyUsage = digitalSignature
extendedKeyUsage = clientAuth, anyExtendedKeyUsage
subjectAltName = DNS:core-api.internal
[name_alone]
subjectAltName = DNS:core-api.internal

# Leaves that are refused
[server_alone]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:core-api.internal
[server_localhost]
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost
[any_alone]
keyUsage = critical, digitalSignature
extendedKeyUsage = anyExtendedKeyUsage
subjectAltName = DNS:core-api.internal
[email_alone]
keyUsage = critical, digitalSignature
extendedKeyUsage = emailProtection
subjectAltName = DNS:core-api.internal
[no_signature]
keyUsage = critical, keyEncipherment
extendedKeyUsage = clientAuth
subjectAltName = DNS:core-api.internal
[cert_sign]
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = clientAuth
subjectAltName = DNS:core-api.internal
[is_ca]
basicConstraints = CA:TRUE
extendedKeyUsage = clientAuth
subjectAltName = DNS:core-api.internal
[unknown_critical]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:core-api.internal
1.3.6.1.4.1.99999.1 = critical, ASN1:NULL
`
