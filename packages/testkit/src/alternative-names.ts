import { isIP } from 'node:net'
import type { AlternativeName, DistinguishedNames, NameConstraints } from './blueprint.ts'
import { derTag, encodeDer } from './der.ts'

/** Encodes a name as DER. Passed in, because only `sign-certificate.ts` imports the X.509 library. */
export type EncodeName = (names: DistinguishedNames) => Buffer

/** Encodes the content of a subjectAltName (RFC 5280 §4.2.1.6) byte for byte: a NUL in a URI stays a NUL. */
export function encodeAlternativeNames(names: readonly AlternativeName[], encodeName: EncodeName): Buffer {
  return encodeDer(derTag.sequence, ...names.map((name) => encodeGeneralName(name, encodeAddress, encodeName)))
}

/** Encodes the content of a nameConstraints extension (RFC 5280 §4.2.1.10). */
export function encodeNameConstraints(constraints: NameConstraints, encodeName: EncodeName): Buffer {
  const lists = [constraints.permitted, constraints.excluded].flatMap((list, index) =>
    list === undefined
      ? []
      : [
          encodeDer(
            derTag.context | derTag.constructed | index,
            ...list.map((name) => encodeSubtree(name, encodeName)),
          ),
        ],
  )
  return encodeDer(derTag.sequence, ...lists)
}

function encodeSubtree(name: AlternativeName, encodeName: EncodeName): Buffer {
  return encodeDer(derTag.sequence, encodeGeneralName(name, encodeRange, encodeName))
}

function encodeGeneralName(name: AlternativeName, encodeIp: (text: string) => Buffer, encodeName: EncodeName): Buffer {
  if (name.type === 'directory') return encodeDer(derTag.context | derTag.constructed | 4, encodeName(name.value))
  if (name.type === 'ip') return encodeDer(derTag.context | 7, encodeIp(name.value))
  return encodeDer(derTag.context | textTags[name.type], Buffer.from(name.value, 'latin1'))
}

const textTags = { email: 1, dns: 2, uri: 6 } as const

function encodeRange(text: string): Buffer {
  const [address = '', prefix] = text.split('/')
  const bytes = encodeAddress(address)
  const ones = prefix === undefined ? bytes.length * 8 : Number(prefix)
  const mask = Buffer.from(bytes.map((_, index) => 0xff & ~(0xff >> Math.min(8, Math.max(0, ones - index * 8)))))
  return Buffer.concat([bytes, mask])
}

function encodeAddress(text: string): Buffer {
  if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number))
  if (isIP(text) !== 6) throw new TypeError(`found '${text}', expected an IPv4 or IPv6 address`)
  const embedded = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  const plain = embedded === null ? text : joinEmbedded(embedded.slice(1))
  const [head = '', tail] = plain.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function joinEmbedded([head = '', ...octets]: readonly string[]): string {
  const hex = Buffer.from(octets.map(Number)).toString('hex')
  return `${head}${hex.slice(0, 4)}:${hex.slice(4)}`
}
