import type { Certificate } from '../certificate/certificate.ts'
import { decodeCertificate, decodeLeaf } from '../certificate/decode.ts'
import { isNamedIssuer } from '../certificate/issuer-match.ts'
import { maxChainBytes, maxChainCertificates } from '../certificate/path-checks.ts'
import { Refused } from './refusal.ts'

/**
 * Decodes a presented chain, leaf first, within the limits of a chain. Uses known certificates instead of decoding them
 * again: Node also returns the authority of every peer, and decoding it each time would cost as much as decoding the
 * leaf.
 */
export function decodeChain(
  chain: readonly Uint8Array[],
  known: (leaf: Certificate) => readonly Certificate[] = () => [],
): readonly [Certificate, ...Certificate[]] {
  if (chain.length > maxChainCertificates) {
    const detail = `found ${chain.length} certificates, expected at most ${maxChainCertificates}`
    throw new Refused('too_many_certificates', detail)
  }
  const bytes = chain.reduce((sum, der) => sum + der.length, 0)
  if (bytes > maxChainBytes) {
    throw new Refused('chain_too_large', `found ${bytes} bytes, expected at most ${maxChainBytes}`)
  }
  const [leaf, ...rest] = chain
  if (leaf === undefined) throw new Refused('certificate_missing', 'the peer presented no certificate')
  const decoded = [decode(leaf, 'the leaf', decodeLeaf)] as const
  if (rest.length === 0) return decoded
  const others = known(decoded[0])
  return [
    ...decoded,
    ...rest.map(
      (der, index) => find(der, others) ?? decode(der, `certificate ${index + 2} of the chain`, decodeCertificate),
    ),
  ]
}

function find(der: Uint8Array, known: readonly Certificate[]): Certificate | undefined {
  return known.find((certificate) => certificate.der.equals(der))
}

function decode(der: Uint8Array, what: string, read: (der: Uint8Array) => Certificate): Certificate {
  try {
    return read(der)
  } catch (error) {
    // Any failure to decode means that these bytes prove nothing.
    throw new Refused('certificate_malformed', `${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/**
 * Adds known certificates that may complete a presented chain. Adds only possible issuers, and stays within the limits
 * of a chain: certificates from other peers must never make this chain too long.
 */
export function completeChain(
  presented: readonly Certificate[],
  additional: readonly Certificate[],
): readonly Certificate[] {
  const chain = [...presented]
  let bytes = chain.reduce((sum, { der }) => sum + der.length, 0)
  for (const child of chain) {
    for (const candidate of additional) {
      if (!isNamedIssuer(candidate, child) || chain.some(({ sha256 }) => sha256 === candidate.sha256)) continue
      bytes += candidate.der.length
      if (chain.length === maxChainCertificates || bytes > maxChainBytes) return chain
      chain.push(candidate)
    }
  }
  return chain
}
