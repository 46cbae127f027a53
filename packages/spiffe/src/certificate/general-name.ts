import type { GeneralName } from './certificate.ts'
import { type DerElement, refuseMalformed } from './der.ts'
import { decodeDistinguishedName } from './distinguished-name.ts'

/**
 * Decodes one name of a subject alternative name (RFC 5280 §4.2.1.6). A name must not be empty, and an address must
 * have 4 or 16 bytes.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeSubjectName(element: DerElement, where: string): GeneralName {
  const name = decodeGeneralName(element, where)
  if (name.value === '') refuseMalformed(where, `an empty ${name.type} name`, 'a name')
  if (name.type === 'ip' && name.value.length !== 4 && name.value.length !== 16) {
    refuseMalformed(where, `an address of ${name.value.length} bytes`, '4 or 16')
  }
  return name
}

/**
 * Decodes the base of one subtree of a name constraint (RFC 5280 §4.2.1.10). An empty text matches every name, and an
 * address includes its mask.
 *
 * @throws {CertificateError} `certificate_malformed`
 */
export function decodeConstraintBase(element: DerElement, where: string): GeneralName {
  const name = decodeGeneralName(element, where)
  if (name.type === 'ip' && !isAddressRange(name.value)) {
    refuseMalformed(where, `the address range 0x${name.value.toString('hex')}`, 'an address and a CIDR mask')
  }
  return name
}

function decodeGeneralName(element: DerElement, where: string): GeneralName {
  const { tag, content } = element
  switch (tag) {
    case 0xa0:
      return { type: 'other', value: content }
    case 0x81:
      return { type: 'email', value: decodeIa5(content, where) }
    case 0x82:
      return { type: 'dns', value: decodeIa5(content, where) }
    case 0xa3:
      return { type: 'x400', value: content }
    case 0xa4:
      return { type: 'directory', value: decodeDistinguishedName(content, where) }
    case 0xa5:
      return { type: 'ediParty', value: content }
    case 0x86:
      return { type: 'uri', value: decodeIa5(content, where) }
    case 0x87:
      return { type: 'ip', value: content }
    case 0x88:
      return { type: 'registeredId', value: content }
    default:
      return refuseMalformed(where, `a name with tag 0x${tag.toString(16)}`, 'one of the nine types')
  }
}

/**
 * Decodes an IA5String and rejects control characters and non-ASCII bytes. A NUL would end the name for parsers in C, a
 * line break could forge log lines, and parsers disagree on bytes beyond ASCII.
 */
function decodeIa5(content: Buffer, where: string): string {
  const text = content.toString('latin1')
  if (!/^[\x20-\x7e]*$/.test(text)) {
    refuseMalformed(where, 'a name with a control character or a byte that is not ASCII', 'printable ASCII')
  }
  return text
}

function isAddressRange(range: Buffer): boolean {
  if (range.length !== 8 && range.length !== 32) return false
  const mask = BigInt(`0x${range.toString('hex', range.length / 2)}`)
  const inverse = (1n << BigInt(range.length * 4)) - 1n - mask
  return (inverse & (inverse + 1n)) === 0n
}
