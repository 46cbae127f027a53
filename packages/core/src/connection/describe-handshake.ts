import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { findSocketBelow } from './node-internals.ts'

/**
 * Describes why OpenSSL failed a handshake and what that means. If it can have several causes, all of them are listed.
 */
export function describeHandshake(error: Error, socket: TLSSocket): string {
  const { authorizationError } = socket
  // Node returns `null` here as well as undefined, and a string where its types say Error.
  const reason: unknown = Reflect.get(error, 'reason')
  if (authorizationError) return describeOpensslCode(String(authorizationError))
  const found = typeof reason === 'string' ? reason : error.message
  const [, meaning] = handshakeMeanings.find(([pattern]) => pattern.test(found)) ?? []
  return meaning === undefined ? found : `${found}: ${meaning}`
}

/** Describes an OpenSSL code for a refused chain, with every possible cause. */
export function describeOpensslCode(code: string): string {
  const meaning = verifyMeanings.get(code)
  return meaning === undefined ? code : `${code}: ${meaning}`
}

/**
 * Returns the address of a peer whose handshake failed. Then only the socket below TLS has it, and only if
 * `rememberAddress` read it earlier.
 */
export function findAddress(socket: TLSSocket): string | undefined {
  return socket.remoteAddress ?? findSocketBelow(socket)?.remoteAddress
}

/** Reads the address of a new connection, which makes Node keep it. */
export function rememberAddress(socket: Socket): void {
  void socket.remoteAddress
}

// OpenSSL skips an issuer that fails any of these checks, and then reports that it found none.
const issuerNotFound =
  'its issuer was not found: an intermediate was not sent, its authority is not trusted here, its authority key identifier names another certificate, or a certificate is malformed (a duplicate extension, a key usage with no bits set)'

/**
 * Each name stands for one or more X509_V_ERR codes of OpenSSL; UNSPECIFIED stands for all codes that Node does not
 * name.
 */
const verifyMeanings: ReadonlyMap<string, string> = new Map([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', issuerNotFound],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', issuerNotFound],
  ['UNABLE_TO_GET_ISSUER_CERT', issuerNotFound],
  [
    'SELF_SIGNED_CERT_IN_CHAIN',
    'its chain ends in a self-signed certificate that is not one of the authorities trusted here',
  ],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed'],
  ['CERT_SIGNATURE_FAILURE', 'a signature was not made by the key of the certificate that has the name of its issuer'],
  ['CERT_HAS_EXPIRED', 'a certificate of its chain, or its authority, has expired'],
  ['CERT_NOT_YET_VALID', 'a certificate of its chain is not valid yet, or a clock is wrong'],
  [
    'INVALID_PURPOSE',
    'its key usage or extended key usage, or that of an issuer, does not allow client authentication',
  ],
  ['INVALID_CA', 'a certificate that signed another is not a CA, or its key usage has no keyCertSign'],
  ['PATH_LENGTH_EXCEEDED', 'there are more intermediates than the path length of an issuer allows'],
  ['CERT_CHAIN_TOO_LONG', 'its chain is too long'],
  ['CERT_REVOKED', 'a certificate of its chain is revoked'],
  [
    'UNSPECIFIED',
    'a critical extension that OpenSSL does not know, a name outside the name constraints of an issuer, a weak key or signature, or an invalid extension; openssl verify shows which',
  ],
])

const handshakeMeanings: readonly (readonly [reason: RegExp, meaning: string])[] = [
  [/key too small|md too weak/, 'a certificate that the caller presented has a weak key or a weak signature'],
  [/peer did not return a certificate/, 'the caller presented no certificate'],
  [
    /alert (?:unknown ca|bad certificate|certificate|unsupported certificate)/,
    'the caller does not accept our certificate',
  ],
  [/unsupported protocol|version too low|protocol version/, 'the caller offers only versions of TLS that are too old'],
  [/http request|wrong version number/, 'the caller does not speak TLS'],
  [
    /no application protocol/,
    'the caller offers no protocol that the server speaks; to serve HTTP/1.1 as well as HTTP/2, create the server with allowHTTP1: true',
  ],
  [/no shared cipher|no suitable/, 'the caller and the server have no algorithm in common'],
]
