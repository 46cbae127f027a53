import { maxChainBytes, maxChainCertificates, splitDer } from '@countersign/spiffe/internal'
import { type CertificateClaim, type MalformedClaim, malformed } from './forwarded-claim.ts'

/**
 * Returns the claim for a leaf and the rest of its chain, within the limits for a chain that a peer presents itself: 16
 * certificates and 64 KiB.
 */
export function claimChain(
  name: string,
  [leaf, ...chain]: readonly Buffer[],
  others: readonly Buffer[] = [],
): CertificateClaim | MalformedClaim {
  if (leaf === undefined) return malformed(`${name}: found no certificate`)
  const all = [leaf, ...chain, ...others]
  if (all.length > maxChainCertificates) {
    return malformed(`${name}: found ${all.length} certificates, expected at most ${maxChainCertificates}`)
  }
  const bytes = all.reduce((sum, der) => sum + der.length, 0)
  if (bytes > maxChainBytes) return malformed(`${name}: found ${bytes} bytes, expected at most ${maxChainBytes}`)
  return { kind: 'certificate', leaf, chain: all.slice(1) }
}

/**
 * Decodes base64 with its padding. `Buffer.from` skips invalid characters, so the text is valid only if it comes back
 * unchanged.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : undefined
}

/** Decodes base64 of exactly one certificate. */
export function decodeBase64Certificate(name: string, text: string): Buffer | MalformedClaim {
  const bytes = decodeBase64(text)
  return bytes === undefined ? malformed(`${name}: found invalid base64`) : decodeCertificate(name, bytes)
}

/**
 * Returns the DER if it is exactly one element. Node.js reads the first certificate of several and ignores the rest, so
 * trailing bytes are refused here.
 */
export function decodeCertificate(name: string, bytes: Buffer): Buffer | MalformedClaim {
  const parts = splitCertificates(name, bytes)
  if ('kind' in parts) return parts
  const [der, ...others] = parts
  return der === undefined || others.length > 0
    ? malformed(`${name}: found ${parts.length} certificates in one place, expected one`)
    : der
}

/** Splits concatenated DER at its lengths, and accepts nothing between or after the certificates. */
export function splitCertificates(name: string, bytes: Buffer): readonly Buffer[] | MalformedClaim {
  try {
    return splitDer(bytes)
  } catch {
    return malformed(`${name}: found bytes that are not exactly the DER of certificates`)
  }
}

/**
 * Decodes PEM in which characters are percent-encoded, at least the spaces and line breaks. `+` is a character of
 * base64 and never a space. Accepts nothing around the blocks, and one certificate in each.
 */
export function decodeEscapedPem(name: string, text: string): readonly Buffer[] | MalformedClaim {
  const pem = unescapePercent(text)
  if (pem === undefined) return malformed(`${name}: found an invalid percent-encoding`)
  const certificates: Buffer[] = []
  for (let at = 0; at < pem.length;) {
    const stop = pem.indexOf(end, at)
    if (!pem.startsWith(begin, at) || stop === -1) return malformed(`${name}: found text that is not exactly PEM`)
    const der = decodeBase64Certificate(name, pem.slice(at + begin.length, stop).replaceAll('\n', ''))
    if ('kind' in der) return der
    certificates.push(der)
    at = stop + end.length
    if (pem.startsWith('\n', at)) at += 1
  }
  return certificates
}

const begin = '-----BEGIN CERTIFICATE-----\n'
const end = '\n-----END CERTIFICATE-----'

function unescapePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text).replaceAll('\r\n', '\n')
  } catch {
    return undefined
  }
}
