import type { KeyUsage } from './blueprint.ts'
import { derTag, encodeDer } from './der.ts'

/**
 * Encodes the content of a keyUsage extension: a named bit list without trailing zeros (RFC 5280 §4.2.1.3, X.690
 * §11.2.2).
 */
export function encodeKeyUsages(usages: readonly KeyUsage[]): Buffer {
  const bits = bitNames.map((name) => (usages.includes(name) ? '1' : '0')).join('')
  const digits = bits.slice(0, bits.lastIndexOf('1') + 1)
  const octets = (digits.match(/.{1,8}/g) ?? []).map((octet) => Number.parseInt(octet.padEnd(8, '0'), 2))
  return encodeDer(derTag.bitString, Buffer.of(octets.length * 8 - digits.length, ...octets))
}

const bitNames: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
]
