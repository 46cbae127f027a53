import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { describeHandshake, describeOpensslCode } from '../../packages/core/src/connection/describe-handshake.ts'

// If one OpenSSL code has several causes, all of them are named.
const codes: readonly (readonly [code: string, ...causes: readonly RegExp[]])[] = [
  [
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    /intermediate was not sent/,
    /not trusted/,
    /key identifier/,
    /duplicate extension/,
  ],
  [
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    /intermediate was not sent/,
    /not trusted/,
    /key identifier/,
    /duplicate extension/,
  ],
  ['UNABLE_TO_GET_ISSUER_CERT', /intermediate was not sent/, /not trusted/, /key identifier/, /duplicate extension/],
  ['SELF_SIGNED_CERT_IN_CHAIN', /self-signed/, /not one of the authorities/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /self-signed/],
  ['CERT_SIGNATURE_FAILURE', /key/],
  ['CERT_HAS_EXPIRED', /expired/, /its authority, has expired/],
  ['CERT_NOT_YET_VALID', /not valid yet/, /clock/],
  ['INVALID_PURPOSE', /key usage/, /extended key usage/, /issuer/],
  ['INVALID_CA', /not a CA/, /keyCertSign/],
  ['PATH_LENGTH_EXCEEDED', /path length/],
  ['CERT_CHAIN_TOO_LONG', /too long/],
  ['CERT_REVOKED', /revoked/],
  ['UNSPECIFIED', /critical extension/, /name constraints/, /weak/, /invalid/, /openssl verify/],
]

for (const [code, ...causes] of codes) {
  test(`explains ${code} with all its possible causes`, () => {
    const text = describeOpensslCode(code)
    assert.ok(text.startsWith(`${code}: `))
    for (const cause of causes) assert.match(text, cause)
  })
}

test('shows an unknown code as it is', () => {
  assert.equal(describeOpensslCode('CERT_OF_TOMORROW'), 'CERT_OF_TOMORROW')
})

const reasons: readonly (readonly [reason: string, meaning: RegExp])[] = [
  ['peer did not return a certificate', /no certificate/],
  ['tlsv1 alert unknown ca', /does not accept our certificate/],
  ['sslv3 alert certificate unknown', /does not accept our certificate/],
  ['sslv3 alert bad certificate', /does not accept our certificate/],
  ['sslv3 alert certificate expired', /does not accept our certificate/],
  ['unsupported protocol', /versions of TLS/],
  ['wrong version number', /does not speak TLS/],
  ['http request', /does not speak TLS/],
  ['no shared cipher', /in common/],
  ['ee key too small', /weak/],
  ['ca md too weak', /weak/],
]

for (const [reason, meaning] of reasons) {
  test(`explains a handshake that fails with '${reason}'`, () => {
    const text = describeHandshake(Object.assign(new Error('x'), { reason }), new TLSSocket(new Socket()))
    assert.ok(text.startsWith(`${reason}: `))
    assert.match(text, meaning)
  })
}

test('shows the message of the error if a handshake fails without an OpenSSL reason', () => {
  assert.equal(describeHandshake(new Error('read ECONNRESET'), new TLSSocket(new Socket())), 'read ECONNRESET')
})
