import { isRecord } from '@countersign/spiffe/options'
import { parseStruct } from './parse-struct.ts'
import { refuseMessage } from './refuse-message.ts'

/** One SVID of an X509SVIDResponse. Omitted fields are empty. */
export interface X509SvidEntry {
  readonly spiffeId: string
  /** Concatenated DER, leaf first. */
  readonly certificates: Buffer
  /** PKCS#8 DER. */
  readonly key: Buffer
  /** Concatenated DER. */
  readonly bundle: Buffer
  readonly hint: string
}

/** An X509SVIDResponse (SPIFFE Workload API §5.2.1). */
export interface X509SvidsMessage {
  readonly svids: readonly X509SvidEntry[]
  /** DER, one list each. */
  readonly crls: readonly Buffer[]
  /** Concatenated DER by the SPIFFE ID of the trust domain. */
  readonly federatedBundles: ReadonlyMap<string, Buffer>
}

/** An X509BundlesResponse (§5.2.2). */
export interface X509BundlesMessage {
  readonly crls: readonly Buffer[]
  /** Concatenated DER by the SPIFFE ID of the trust domain. */
  readonly bundles: ReadonlyMap<string, Buffer>
}

/** One SVID of a JWTSVIDResponse (§6.2.1). */
export interface JwtSvidEntry {
  readonly spiffeId: string
  readonly token: string
  readonly hint: string
}

/**
 * Parses a decoded X509SVIDResponse.
 *
 * @throws {SourceError} `message_malformed` for any other value
 */
export function parseX509Svids(value: unknown): X509SvidsMessage {
  const message = readRecord(value, 'X509SVIDResponse')
  return {
    svids: readList(message['svids'], 'svids').map((entry, index) => {
      const where = `svids[${index}]`
      const svid = readRecord(entry, where)
      return {
        spiffeId: readText(svid['spiffe_id'], `${where}.spiffe_id`),
        certificates: readBytes(svid['x509_svid'], `${where}.x509_svid`),
        key: readBytes(svid['x509_svid_key'], `${where}.x509_svid_key`),
        bundle: readBytes(svid['bundle'], `${where}.bundle`),
        hint: readText(svid['hint'], `${where}.hint`),
      }
    }),
    crls: readList(message['crl'], 'crl').map((entry, index) => readBytes(entry, `crl[${index}]`)),
    federatedBundles: readByteMap(message['federated_bundles'], 'federated_bundles'),
  }
}

/**
 * Parses a decoded X509BundlesResponse.
 *
 * @throws {SourceError} `message_malformed`
 */
export function parseX509Bundles(value: unknown): X509BundlesMessage {
  const message = readRecord(value, 'X509BundlesResponse')
  return {
    crls: readList(message['crl'], 'crl').map((entry, index) => readBytes(entry, `crl[${index}]`)),
    bundles: readByteMap(message['bundles'], 'bundles'),
  }
}

/**
 * Parses a decoded JWTSVIDResponse.
 *
 * @throws {SourceError} `message_malformed`
 */
export function parseJwtSvids(value: unknown): readonly JwtSvidEntry[] {
  const message = readRecord(value, 'JWTSVIDResponse')
  return readList(message['svids'], 'svids').map((entry, index) => {
    const svid = readRecord(entry, `svids[${index}]`)
    return {
      spiffeId: readText(svid['spiffe_id'], `svids[${index}].spiffe_id`),
      token: readText(svid['svid'], `svids[${index}].svid`),
      hint: readText(svid['hint'], `svids[${index}].hint`),
    }
  })
}

/**
 * Parses a decoded JWTBundlesResponse. Returns a JWK set for each SPIFFE ID of a trust domain.
 *
 * @throws {SourceError} `message_malformed`
 */
export function parseJwtBundles(value: unknown): ReadonlyMap<string, Buffer> {
  return readByteMap(readRecord(value, 'JWTBundlesResponse')['bundles'], 'bundles')
}

/** A ValidateJWTSVIDResponse (§6.2.3). */
export interface ValidationMessage {
  readonly spiffeId: string
  readonly claims: Readonly<Record<string, unknown>>
}

/**
 * Parses a decoded ValidateJWTSVIDResponse. The claims are a mandatory google.protobuf.Struct.
 *
 * @throws {SourceError} `message_malformed`
 */
export function parseValidation(value: unknown): ValidationMessage {
  const message = readRecord(value, 'ValidateJWTSVIDResponse')
  return {
    spiffeId: readText(message['spiffe_id'], 'spiffe_id'),
    claims: parseStruct(message['claims'], 'claims'),
  }
}

function readRecord(value: unknown, where: string): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : refuseMessage(`${where}: found no message, expected one`)
}

function readList(value: unknown, where: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuseMessage(`${where}: found no list, expected one`)
}

function readText(value: unknown, where: string): string {
  return typeof value === 'string' ? value : refuseMessage(`${where}: found no text, expected some`)
}

function readBytes(value: unknown, where: string): Buffer {
  return Buffer.isBuffer(value) ? value : refuseMessage(`${where}: found no bytes, expected some`)
}

function readByteMap(value: unknown, where: string): ReadonlyMap<string, Buffer> {
  const entries = Object.entries(readRecord(value, where))
  return new Map(entries.map(([name, bytes]) => [name, readBytes(bytes, `${where}[${name}]`)]))
}
