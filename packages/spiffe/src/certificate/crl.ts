import { createHash } from 'node:crypto'
import { isUint8Array } from 'node:util/types'
import { CertificateError, ConfigurationError } from '../errors.ts'
import { describeValue } from '../options.ts'
import type { CertificateSignature, DistinguishedName } from './certificate.ts'
import { type DerElement, derTag, refuseMalformed } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import { describeFormat } from './file-format.ts'
import { decodeAlgorithm, decodeBytes, decodeSerialNumber, decodeTime, decodeUnsigned } from './der-values.ts'
import { decodeDistinguishedName } from './distinguished-name.ts'
import { decodeAuthorityKeyId, decodeExtension } from './extensions.ts'
import { chooseScheme } from './signature.ts'

/**
 * A complete certificate revocation list of one issuer (RFC 5280 §5). Decoded from the DER once and immutable. Its
 * signature is not verified yet.
 */
export interface Crl {
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string
  readonly issuer: DistinguishedName
  /** Epoch milliseconds: when the list becomes effective. */
  readonly thisUpdate: number
  /** Epoch milliseconds: when the list becomes stale. */
  readonly nextUpdate: number
  /** The serial numbers of the revoked certificates, formatted as in `Certificate`. */
  readonly revoked: ReadonlySet<string>
  /** Lower-case hex. */
  readonly authorityKeyId?: string
  readonly signature: CertificateSignature
}

/** The maximum size of a list in bytes: at most 52,000 revoked certificates, or 28,000 with 20-byte serial numbers. */
const maxCrlBytes = 1024 * 1024

/**
 * Decodes one revocation list from its DER, strictly by RFC 5280 §5.1 and X.690, and copies its bytes. Rejects partial,
 * indirect and delta lists and unknown critical extensions, because such a list does not show whether a certificate is
 * revoked.
 *
 * @throws {CertificateError} `crl_malformed`, or `crl_unsupported` for a list above 1 MiB, without nextUpdate, with an
 * extension that makes it partial, indirect or a delta, with an unknown critical extension, or with an unsupported
 * signature algorithm
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-5
 */
export function decodeCrl(input: Uint8Array): Crl {
  const steps = decodeCrlInSteps(input)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/**
 * Decodes a list like `decodeCrl`, but yields every few hundred entries so that other work can run in between. A list
 * of 1 MiB takes more than half a second.
 *
 * @throws {CertificateError} as `decodeCrl`
 */
export function* decodeCrlInSteps(input: Uint8Array): Generator<void, Crl> {
  if (!isUint8Array(input)) {
    const found = `revocation list: found ${describeValue(input)}, expected its DER as bytes`
    throw new ConfigurationError('option_invalid', found)
  }
  if (input.length > maxCrlBytes) refuse(`${input.length} bytes`, `at most ${maxCrlBytes}`)
  try {
    // A copy, so that the caller cannot change the bytes after they were checked.
    return yield* decode(Buffer.from(input))
  } catch (cause) {
    if (!(cause instanceof CertificateError) || cause.code !== 'certificate_malformed') throw cause
    throw new CertificateError('crl_malformed', `revocation list: ${describeOther(input)}${cause.message}`, { cause })
  }
}

// Describes the actual format of the input, if it is recognized.
function describeOther(input: Uint8Array): string {
  const isPem = Buffer.from(input.subarray(0, 11)).toString('latin1') === '-----BEGIN '
  const format = isPem ? 'PEM; convert it with openssl crl -outform DER' : describeFormat(input)
  return format === undefined || format.startsWith('a certificate revocation list') ? '' : `found ${format}: `
}

/** What can be read even from many lists that are rejected. Everything but the issuer and signature may be absent. */
export interface CrlOrigin extends Pick<Crl, 'issuer' | 'signature' | 'authorityKeyId'> {
  readonly thisUpdate?: number
  readonly nextUpdate?: number
}

/**
 * Reads the issuer, the signature and the dates of a list, ignores the rest and skips its entries. Returns undefined if
 * issuer and signature cannot be read. Does not copy the bytes.
 */
export function readCrlOrigin(der: Buffer): CrlOrigin | undefined {
  try {
    const { issuer, signature, fields } = openList(der)
    return { issuer, signature, ...readIfPossible(() => readDates(fields)), ...readIfPossible(() => readKeyId(fields)) }
  } catch (error) {
    if (error instanceof CertificateError) return undefined
    throw error
  }
}

// The list will be rejected, but its issuer must still be known.
function readIfPossible<Result>(read: () => Result): Result | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof CertificateError) return undefined
    throw error
  }
}

function readDates(fields: DerReader): Pick<CrlOrigin, 'thisUpdate' | 'nextUpdate'> {
  const [first, next] = [fields.nextOfAny(), fields.nextIf(derTag.utcTime) ?? fields.nextIf(derTag.generalizedTime)]
  const thisUpdate = decodeTime(first, 'thisUpdate')
  return next === undefined ? { thisUpdate } : { thisUpdate, nextUpdate: decodeTime(next, 'nextUpdate') }
}

function readKeyId(fields: DerReader): Pick<Crl, 'authorityKeyId'> {
  fields.nextIf(derTag.sequence)
  const wrapped = fields.nextIf(0xa0)
  const extensions = wrapped === undefined ? [] : decodeExtensions(wrapped.content)
  const found = extensions.find(({ type }) => type === authorityKeyIdentifier)
  const authorityKeyId = found && decodeAuthorityKeyId(found.value).authorityKeyId
  return authorityKeyId === undefined ? {} : { authorityKeyId }
}

interface OpenList extends Pick<Crl, 'issuer' | 'signature'> {
  readonly version: 1 | 2
  /** The fields after the issuer. */
  readonly fields: DerReader
}

function openList(der: Buffer): OpenList {
  const outer = enterOnly(der, derTag.sequence, 'certificateList')
  const signed = outer.next(derTag.sequence)
  const algorithm = outer.next(derTag.sequence)
  const value = decodeBytes(outer.next(derTag.bitString), 'signatureValue')
  outer.end()

  const fields = new DerReader(signed.content, 'tbsCertList')
  const version = decodeVersion(fields.nextIf(derTag.integer))
  // §5.1.1.2
  if (!fields.next(derTag.sequence).encoded.equals(algorithm.encoded)) {
    refuseMalformed('tbsCertList', 'different inner and outer signature algorithms', 'the same algorithm twice')
  }
  const issuer = decodeDistinguishedName(fields.next(derTag.sequence).encoded, 'issuer')
  const signature = { ...decodeAlgorithm(algorithm), algorithmsAgree: true, signedBytes: signed.encoded, value }
  return { version, issuer, signature, fields }
}

function* decode(der: Buffer): Generator<void, Crl> {
  const { version, issuer, signature, fields } = openList(der)
  const thisUpdate = decodeTime(fields.nextOfAny(), 'thisUpdate')
  const next = fields.nextIf(derTag.utcTime) ?? fields.nextIf(derTag.generalizedTime)
  const entries = fields.nextIf(derTag.sequence)
  const wrapped = fields.nextIf(0xa0)
  fields.end()
  if (version === 1 && wrapped !== undefined) refuseMalformed('tbsCertList', 'extensions in version 1', 'none')
  // §5.1.2.5: the syntax allows omitting it but the profile does not. Without it a list would never become stale.
  if (next === undefined) return refuse('no nextUpdate', 'the time at which the list becomes stale')

  // Checked here, because the list would otherwise be taken for one of another issuer.
  const scheme = chooseScheme(signature)
  if (typeof scheme === 'string') refuse(`the signature algorithm ${signature.algorithm}`, 'a strong and supported one')
  return {
    sha256: createHash('sha256').update(der).digest('hex'),
    issuer,
    thisUpdate,
    nextUpdate: decodeTime(next, 'nextUpdate'),
    revoked: yield* decodeEntries(entries, version),
    ...(wrapped && decodeListExtensions(wrapped)),
    signature,
  }
}

/** Returns the usual version number, which is the encoded one plus 1 (§5.1.2.1). */
function decodeVersion(element: DerElement | undefined): 1 | 2 {
  if (element === undefined) return 1
  const version = decodeUnsigned(element, 'version') + 1
  return version === 2 ? 2 : refuseMalformed('version', `the value ${version - 1}`, '1 or no version')
}

/** Decodes the entries (§5.1.2.6). Accepts an empty list: it is not allowed, but several CAs write one. */
function* decodeEntries(element: DerElement | undefined, version: 1 | 2): Generator<void, ReadonlySet<string>> {
  const revoked = new Set<string>()
  if (element === undefined) return revoked
  const entries = new DerReader(element.content, 'revokedCertificates')
  let count = 0
  while (!entries.done) {
    count += 1
    if (count % entriesOfStep === 0) yield
    const entry = entries.enter(derTag.sequence, 'revokedCertificates')
    const serialNumber = decodeSerialNumber(entry.next(derTag.integer))
    decodeTime(entry.nextOfAny(), 'revocationDate')
    const extensions = entry.nextIf(derTag.sequence)
    entry.end()
    if (extensions !== undefined) {
      if (version === 1) refuseMalformed('revokedCertificates', 'extensions in version 1', 'none')
      for (const { type, critical } of decodeExtensions(extensions.encoded)) {
        if (critical || type === certificateIssuer)
          refuse(`the entry extension ${type}`, 'no critical extension and no certificateIssuer')
      }
    }
    // The reason does not matter: a certificate on hold counts as revoked.
    revoked.add(serialNumber)
  }
  return revoked
}

const entriesOfStep = 128

/** §5.3.3: the certificate of this entry, and of all entries after it, has another issuer than the list. */
const certificateIssuer = '2.5.29.29'

/** §5.2.4 and §5.2.5: a list with one of these is partial. They must be critical, but mean the same if they are not. */
const partialListExtensions: ReadonlySet<string> = new Set(['2.5.29.27', '2.5.29.28'])

/** §5.2.1 */
const authorityKeyIdentifier = '2.5.29.35'

function decodeListExtensions(wrapper: DerElement): Pick<Crl, 'authorityKeyId'> {
  let authorityKeyId: string | undefined
  for (const { type, critical, value } of decodeExtensions(wrapper.content)) {
    if (type === authorityKeyIdentifier) authorityKeyId = decodeAuthorityKeyId(value).authorityKeyId
    else if (critical || partialListExtensions.has(type)) {
      refuse(`the extension ${type}`, 'a complete list of one issuer, for certificates of every kind')
    }
  }
  return authorityKeyId === undefined ? {} : { authorityKeyId }
}

function decodeExtensions(encoded: Buffer): readonly ReturnType<typeof decodeExtension>[] {
  const extensions = enterOnly(encoded, derTag.sequence, 'crlExtensions').rest().map(decodeExtension)
  const types = new Set(extensions.map(({ type }) => type))
  if (types.size < extensions.length) refuseMalformed('crlExtensions', 'a duplicate extension', 'each at most once')
  return extensions
}

function refuse(found: string, expected: string): never {
  throw new CertificateError('crl_unsupported', `revocation list: found ${found}, expected ${expected}`)
}
