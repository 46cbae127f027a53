import { X509Certificate } from 'node:crypto'
import { type EncodedCertificate, type ExpectedServers, splitCertificates, toPem } from '@countersign/spiffe/internal'
import { compileCallerPatterns, parseCallerPattern } from '@countersign/authorization'
import { CertificateError, ConfigurationError, type SubjectMaterial, type X509Material } from '@countersign/spiffe'
import { isRecord, parseOptions, parseStringList, refuseValue } from '@countersign/spiffe/options'

/**
 * The servers that may be called: SPIFFE IDs or patterns of them, or any server with a certificate for the called host
 * name.
 */
export type ServerNames = readonly string[] | HostNames

/**
 * Servers with ordinary host names. The name and the chain are verified as browsers do, and our own certificate is
 * presented.
 */
export interface HostNames {
  readonly dns: true
  /** The authorities of those servers, as PEM. There is no default; for the public Web, pass `tls.rootCertificates`. */
  readonly ca: string | Uint8Array | readonly (string | Uint8Array)[]
}

/** Validated server names. */
export type ParsedServerNames =
  | ({ readonly kind: 'workloads' } & ExpectedServers)
  | { readonly kind: 'hosts'; readonly ca: readonly string[] }

/**
 * Parses `servers`. An empty list is an error. A missing bundle is not, because bundles can appear and disappear while
 * the service runs. Servers of a trust domain without a bundle are refused.
 *
 * @throws {ConfigurationError} `option_invalid`, or `rule_invalid` if the text is not a pattern of SPIFFE IDs
 */
export function parseServerNames(
  input: unknown,
  material: X509Material | SubjectMaterial,
  where: string,
): ParsedServerNames {
  const at = `${where}: servers`
  if (isRecord(input)) return parseHostNames(input, at)
  const patterns = parseStringList(input, at)
  if (material.kind === 'subject') {
    const message = `${at}: found SPIFFE IDs, expected { dns: true, ca }, because the source was created with ca and has no bundles`
    throw new ConfigurationError('option_invalid', message)
  }
  const trustDomains = new Set(patterns.map((pattern, index) => parsePattern(pattern, `${at}[${index}]`)))
  return {
    kind: 'workloads',
    trustDomains: [...trustDomains],
    isExpected: compileCallerPatterns(patterns),
    expected: patterns.length === 1 ? String(patterns[0]) : `one of ${patterns.join(', ')}`,
  }
}

function parsePattern(pattern: string, where: string): string {
  const expected = pattern.startsWith('spiffe://')
    ? /^spiffe:\/\/[^/]*$/.test(pattern) && `a path, or '${pattern}/**' for every workload of the trust domain`
    : "a SPIFFE ID such as 'spiffe://saas.example/ns/x/sa/y', or { dns: true, ca } instead of the list to use host names"
  if (expected !== false) refuseValue(where, pattern, expected)
  return parseCallerPattern(pattern, where).trustDomain
}

function parseHostNames(input: object, where: string): ParsedServerNames {
  const { dns, ca } = parseOptions(input, ['dns', 'ca'], where)
  if (dns !== true) refuseValue(`${where}.dns`, dns, 'true, or a list of SPIFFE IDs instead of the object')
  const given: readonly unknown[] = Array.isArray(ca) ? ca : [ca]
  if (given.length === 0) refuseValue(`${where}.ca`, ca, 'at least one authority')
  return { kind: 'hosts', ca: given.map((pem) => parseAuthorities(pem, `${where}.ca`)) }
}

// Node parses each certificate, because our own parser is too strict for some old authorities of the public Web.
function parseAuthorities(input: unknown, where: string): string {
  const expected = 'authorities as PEM; for servers of the public web use tls.rootCertificates'
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) refuseValue(where, input, expected)
  try {
    return splitCertificates(input).map(readAuthority).join('')
  } catch (cause) {
    const found = cause instanceof CertificateError ? cause.message : 'found an invalid certificate'
    throw new ConfigurationError('option_invalid', `${where}: ${found}, expected ${expected}`, { cause })
  }
}

function readAuthority(encoded: EncodedCertificate): string {
  if (encoded instanceof CertificateError) throw encoded
  void new X509Certificate(encoded)
  return toPem({ der: encoded })
}
