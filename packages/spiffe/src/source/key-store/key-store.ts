import forge from 'node-forge'
import { CertificateError } from '../../errors.ts'
import { orderChain } from './order-chain.ts'

/** What a PKCS#12 store holds. */
export interface KeyStore {
  /** PKCS#8 DER of its private key; undefined for a trust store. */
  readonly key: Buffer | undefined
  /**
   * DER: for a key store the key's own certificate first, then its issuers in order, self-signed ones left out; for a
   * trust store all certificates.
   */
  readonly certificates: readonly Buffer[]
}

/**
 * Reads a PKCS#12 store of at most 1 MiB as OpenSSL and keytool write it, in today's form and in the older ones. A
 * store without a MAC is taken only if nothing in it is encrypted: then the file system alone protects it, as it does a
 * PEM file. Certificates that do not belong to its key are passed over. Costs what its iterations cost, and blocks.
 *
 * @param passphrase undefined for a store without a MAC; empty text is a passphrase too
 * @throws {CertificateError} `key_store_malformed`, `key_store_unsupported`, `passphrase_missing`, `passphrase_wrong`
 * @see https://www.rfc-editor.org/rfc/rfc7292
 */
export function decodeKeyStore(bytes: Uint8Array, passphrase: string | undefined): KeyStore {
  const bags = openStore(bytes, passphrase).flatMap(({ safeBags }) => safeBags)
  const certificates = bags.filter(({ type }) => type === forge.pki.oids.certBag).map(encodeCertificate)
  const [key, ...more] = bags.filter(isKeyBag).map(encodeKey)
  if (more.length > 0) refuse(`${more.length + 1} private keys`, 'one, so that it is clear which one is meant')
  if (key !== undefined) return { key, certificates: orderChain(key, certificates) }
  if (certificates.length === 0) refuse('neither a private key nor a certificate', 'a key store or a trust store')
  return { key, certificates }
}

type Asn1 = forge.asn1.Asn1
type Bag = forge.pkcs12.Bag
type Contents = forge.pkcs12.Pkcs12Pfx['safeContents']

function openStore(bytes: Uint8Array, passphrase: string | undefined): Contents {
  if (bytes.length > 2 ** 20) refuse(`${bytes.length} bytes`, 'at most 1 MiB')
  const store = parse(bytes)
  const [, , mac] = listParts(store)
  if (mac === undefined) return openUnprotected(store, bytes)
  if (passphrase === undefined) {
    throw new CertificateError(
      'passphrase_missing',
      'key store: found a MAC, expected the passphrase that it is made of',
    )
  }
  checkIterations(mac)
  return openProtected(store, passphrase)
}

function parse(bytes: Uint8Array): Asn1 {
  try {
    return forge.asn1.fromDer(Buffer.from(bytes).toString('latin1'))
  } catch {
    return refuse('bytes that are no PKCS#12', 'a whole .p12 or .pfx file; it may be half-written')
  }
}

function listParts({ value }: Asn1): readonly Asn1[] {
  return Array.isArray(value) ? value : []
}

const encryptedData = '1.2.840.113549.1.7.6'
const shroudedKeyBag = '1.2.840.113549.1.12.10.1.2'

// Looked for in the bytes, because the library derives keys, as often as a stranger's file says, while it reads.
function openUnprotected(store: Asn1, bytes: Uint8Array): Contents {
  const isEncrypted = [encryptedData, shroudedKeyBag].some((oid) =>
    Buffer.from(bytes).includes(forge.asn1.oidToDer(oid).getBytes(), 0, 'latin1'),
  )
  if (isEncrypted) refuse('encryption without a MAC, which anybody can change', 'both')
  const opened = tryPassphrase(store, undefined)
  if ('contents' in opened) return opened.contents
  throw explain(opened)
}

const mostIterations = 10_000_000

function checkIterations(mac: Asn1): void {
  const { value } = listParts(mac)[2] ?? {}
  const count = typeof value === 'string' ? Number.parseInt(forge.util.bytesToHex(value), 16) : 1
  if (count > mostIterations) refuse(`a MAC of ${count} iterations`, `at most ${mostIterations}`)
}

function openProtected(store: Asn1, passphrase: string): Contents {
  // Empty text has two encodings, no bytes and a terminator alone, and both are written.
  for (const secret of passphrase === '' ? ['', undefined] : [passphrase]) {
    const opened = tryPassphrase(store, secret)
    if ('contents' in opened) return opened.contents
    if (isMacWrong(opened)) continue
    // What comes before the MAC fails for every passphrase: if another one gets as far as the MAC, this one passed it.
    if (!isMacWrong(tryPassphrase(store, `${passphrase}?`))) throw explain(opened)
    // The MAC takes UTF-16 (RFC 7292 §B.1) and PBES2 UTF-8 (RFC 8018 §3), but the library gives both the same text.
    const utf8 = Buffer.from(passphrase, 'utf8').toString('latin1')
    const reopened = tryPassphrase({ ...store, value: listParts(store).slice(0, 2) }, utf8)
    if ('contents' in reopened) return reopened.contents
    throw explain(reopened)
  }
  throw new CertificateError('passphrase_wrong', 'key store: found a MAC that the passphrase does not make')
}

interface Opened {
  readonly contents: Contents
}

/** In the words of the library, whose errors may hold what it was reading: none of them becomes a cause. */
interface Failure {
  readonly message: string
  /** The first object identifier that the error names, or empty text. */
  readonly oid: string
}

function tryPassphrase(store: Asn1, secret: string | undefined): Opened | Failure {
  try {
    return { contents: forge.pkcs12.pkcs12FromAsn1(store, true, secret).safeContents }
  } catch (error) {
    if (!(error instanceof Error)) return { message: '', oid: '' }
    const named = [error.message, Reflect.get(error, 'oid'), Reflect.get(error, 'contentType')].join(' ')
    return { message: error.message, oid: /\d+(\.\d+){2,}/.exec(named)?.[0] ?? '' }
  }
}

function isMacWrong(result: Opened | Failure): boolean {
  return 'message' in result && result.message.includes('MAC could not be verified')
}

function explain({ message, oid }: Failure): CertificateError {
  if (/unsupported|not (a )?supported|only PKCS#12/i.test(message)) {
    const found = oid === '' ? 'an algorithm or content that is not supported' : `${oid}, which is not supported`
    const remedy = 'expected what openssl and keytool write by default; export it again'
    return new CertificateError('key_store_unsupported', `key store: found ${found}, ${remedy}`, { value: oid })
  }
  if (/decrypt/i.test(message)) {
    const text = 'key store: found a key or certificates under another passphrase than the MAC, expected one for all'
    return new CertificateError('passphrase_wrong', text)
  }
  return new CertificateError('key_store_malformed', 'key store: found broken contents, expected PKCS#12')
}

function isKeyBag({ type }: Bag): boolean {
  return type === shroudedKeyBag || type === forge.pki.oids.keyBag
}

// The library has objects of its own for RSA only; of other keys and certificates it gives what it read.
function encodeKey({ key, asn1 }: Bag): Buffer {
  return encode(key ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(key)) : asn1)
}

function encodeCertificate({ cert, asn1 }: Bag): Buffer {
  if (!cert) return encode(asn1)
  const certificate = forge.pki.certificateToAsn1(cert)
  const [body, algorithm, ...signature] = listParts(certificate)
  // The library writes parameters of RSASSA-PSS anew; the same field in what is signed (RFC 5280 §4.1.1.2) is as it was.
  const signed = body && listParts(body).find(({ type }) => type === forge.asn1.Type.SEQUENCE)
  return encode({
    ...certificate,
    value: [body, signed ?? algorithm, ...signature].filter((part) => part !== undefined),
  })
}

function encode(asn1: Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(asn1).getBytes(), 'latin1')
}

function refuse(found: string, expected: string): never {
  throw new CertificateError('key_store_malformed', `key store: found ${found}, expected ${expected}`)
}
