import { anyExtendedKeyUsage, type Certificate, serverAuth } from './certificate.ts'
import { findPolicyViolation } from './check-policies.ts'
import { describeCertificate } from './describe.ts'
import { findNameViolation } from './name-constraints.ts'
import type { PathRefusal, PathRequest, Refusal } from './path-request.ts'
import { describeKey, isStrongKey } from './public-key.ts'
import { type SignatureVerdict, verifySignature } from './signature.ts'

/** The maximum number of certificates in a presented chain, leaf included. */
export const maxChainCertificates = 16
/** The maximum size of a presented chain in bytes, leaf included. */
export const maxChainBytes: number = 64 * 1024

/** Checks the number and size of the presented certificates, and that the leaf is not an authority. */
export function checkPresented({ leaf, intermediates, authorities }: PathRequest): Refusal | undefined {
  const count = intermediates.length + 1
  if (count > maxChainCertificates) {
    return refuse('too_many_certificates', `found ${count} certificates, expected at most ${maxChainCertificates}`)
  }
  const bytes = intermediates.reduce((sum, { der }) => sum + der.length, leaf.der.length)
  if (bytes > maxChainBytes) {
    return refuse('chain_too_large', `found ${bytes} bytes, expected at most ${maxChainBytes}`)
  }
  if (authorities.some(({ sha256 }) => sha256 === leaf.sha256)) {
    return refuse(
      'leaf_is_authority',
      `${describeCertificate(leaf)} is an authority, expected the certificate of a workload`,
    )
  }
  return undefined
}

/** Checks the leaf. */
export function checkLeaf({ leaf, usage, now }: PathRequest): Refusal | undefined {
  return checkKey(leaf) ?? checkDates(leaf, now) ?? checkExtensions(leaf) ?? checkUsage(leaf, [usage])
}

/** Checks that this issuer's key signed the child, with a strong key and algorithm (RFC 5280 §6.1.3 a 1). */
export function checkSignature(child: Certificate, issuer: Certificate): Refusal | undefined {
  const weakKey = checkKey(issuer)
  if (weakKey !== undefined) return weakKey
  const verdict = verifySignature(child.signature, issuer.publicKey)
  return verdict === 'valid' ? undefined : refuseSignature(child, issuer, verdict)
}

/**
 * Checks an issuer, either an authority of the bundle or an intermediate. Its signature on the last of the certificates
 * below it is already verified.
 */
export function checkIssuer(
  issuer: Certificate,
  below: readonly Certificate[],
  { usage, now }: PathRequest,
): Refusal | undefined {
  return (
    checkDates(issuer, now) ?? // RFC 5280 §6.1.3 a 2
    checkAuthority(issuer) ?? // §6.1.4 k, n
    checkPathLength(issuer, below) ?? // §6.1.4 l, m
    checkExtensions(issuer) ?? // §6.1.4 o
    checkUsage(issuer, [usage, anyExtendedKeyUsage]) // §4.2.1.12
  )
}

/** Checks names and policies, which need the complete path (RFC 5280 §6.1.3 b, c and d to f). */
export function checkWhole(path: readonly Certificate[]): Refusal | undefined {
  const violation = findNameViolation(path)
  if (violation !== undefined) return refuse('name_constraint_violated', violation)
  const missing = findPolicyViolation(path)
  return missing === undefined ? undefined : refuse('policy_missing', missing)
}

/** Returns the end of the last valid second, because RFC 5280 §4.1.2.5 includes that second. */
export function endOfValidity({ notAfter }: Certificate): number {
  return notAfter + 1000
}

const signatureRefusals: Readonly<Record<Exclude<SignatureVerdict, 'valid'>, PathRefusal>> = {
  invalid: 'signature_invalid',
  weak_algorithm: 'weak_signature',
  unsupported_algorithm: 'unsupported_signature',
}

function refuseSignature(
  child: Certificate,
  issuer: Certificate,
  verdict: Exclude<SignatureVerdict, 'valid'>,
): Refusal {
  const reason = signatureRefusals[verdict]
  const { algorithm, algorithmsAgree } = child.signature
  const what = describeCertificate(child)
  if (verdict === 'weak_algorithm') return refuse(reason, `${what} is signed with ${algorithm}, which is too weak`)
  if (verdict === 'unsupported_algorithm') {
    return refuse(reason, `${what} is signed with ${algorithm}, which is not supported`)
  }
  if (!algorithmsAgree) return refuse(reason, `${what} has different inner and outer signature algorithms`)
  const by = `the key of ${describeCertificate(issuer)}`
  return refuse(
    reason,
    `the signature (${algorithm}) on ${what} was not made by ${by}: the certificate was altered, or an authority with the same name and another key issued it`,
  )
}

function checkKey(certificate: Certificate): Refusal | undefined {
  if (isStrongKey(certificate.keyInfo)) return undefined
  const expected = 'RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519'
  return refuse(
    'weak_key',
    `found the key ${describeKey(certificate.keyInfo)} in ${describeCertificate(certificate)}, expected ${expected}`,
  )
}

/** Checks the dates. Written so that NaN as the time is rejected. */
function checkDates(certificate: Certificate, now: number): Refusal | undefined {
  if (!(now >= certificate.notBefore)) {
    return refuse(
      'not_yet_valid',
      `${describeCertificate(certificate)} is valid from ${showTime(certificate.notBefore)}`,
    )
  }
  if (now < endOfValidity(certificate)) return undefined
  return refuse('expired', `${describeCertificate(certificate)} expired at ${showTime(certificate.notAfter)}`)
}

function checkAuthority(issuer: Certificate): Refusal | undefined {
  if (issuer.basicConstraints?.cA !== true) {
    return refuse(
      'not_a_ca',
      `${describeCertificate(issuer)} signed a certificate, but its basicConstraints do not make it a CA`,
    )
  }
  if (issuer.keyUsage === undefined || issuer.keyUsage.usages.has('keyCertSign')) return undefined
  const detail = `${describeCertificate(issuer)} signed a certificate, but its key usage has no keyCertSign`
  return refuse('missing_key_cert_sign', detail)
}

/** Does not count the leaf or self-issued intermediates. */
function checkPathLength(issuer: Certificate, below: readonly Certificate[]): Refusal | undefined {
  const count = below.slice(1).filter(({ selfIssued }) => !selfIssued).length
  const limit = issuer.basicConstraints?.pathLength ?? Infinity
  if (count <= limit) return undefined
  return refuse(
    'path_length_exceeded',
    `found ${count} intermediates below ${describeCertificate(issuer)}, whose path length allows ${limit}`,
  )
}

function checkExtensions(certificate: Certificate): Refusal | undefined {
  const [unknown] = certificate.unknownCriticalExtensions
  if (unknown === undefined) return undefined
  const detail = `${describeCertificate(certificate)} has the critical extension ${unknown}, which is not supported`
  return refuse('unknown_critical_extension', detail)
}

function checkUsage(certificate: Certificate, allowed: readonly string[]): Refusal | undefined {
  const { extendedKeyUsage } = certificate
  if (extendedKeyUsage === undefined || extendedKeyUsage.some((usage) => allowed.includes(usage))) return undefined
  const wanted = allowed[0] === serverAuth ? 'serverAuth' : 'clientAuth'
  const detail = `${describeCertificate(certificate)} has an extended key usage without ${wanted}`
  return refuse('wrong_extended_key_usage', detail)
}

function showTime(time: number): string {
  return new Date(time).toISOString()
}

function refuse(reason: PathRefusal, detail: string): Refusal {
  return { reason, detail }
}
