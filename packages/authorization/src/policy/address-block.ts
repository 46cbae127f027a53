import { refuseRule } from '../refuse-rule.ts'

/** An address as 128 bits, most significant first. An IPv4 address has its IPv4-mapped form, `::ffff:a.b.c.d`. */
export type Address = readonly [number, number, number, number]

/** The addresses from `first` to `last`, both included. */
export interface AddressBlock {
  readonly first: Address
  readonly last: Address
}

/**
 * Parses an address in the usual notation; returns undefined for any other text. A zone (`fe80::1%eth0`) is ignored,
 * because it depends on the host.
 */
export function readAddress(text: string): Address | undefined {
  if (text.length > longestAddress) return undefined
  const zone = text.indexOf('%')
  if (zone !== -1) return text.includes(':') ? readV6(text.slice(0, zone)) : undefined
  return text.includes(':') ? readV6(text) : mapV4(readV4(text))
}

// Longer than any address with the longest possible interface name.
const longestAddress = 80

/**
 * Parses an address, or a block in CIDR notation.
 *
 * @throws {ConfigurationError} `rule_invalid`; for a block with bits set after its prefix, the message suggests the
 *   correct block
 */
export function parseAddressBlock(text: string, where: string): AddressBlock {
  const [base = '', prefix, ...more] = text.split('/')
  const address = base.includes('%') ? undefined : readAddress(base)
  if (address === undefined || more.length > 0) {
    refuseRule(where, text, "an address or a block, such as '10.0.0.0/8' or '2001:db8::/32'")
  }
  const width = base.includes(':') ? 128 : 32
  if (prefix === undefined) return { first: address, last: address }
  const length = /^(?:0|[1-9]\d{0,2})$/.test(prefix) ? Number(prefix) : Number.NaN
  if (!(length <= width)) refuseRule(where, text, `a prefix length from 0 to ${width}`)
  const first = cut(address, length + 128 - width)
  if (compareAddresses(first, address) !== 0) {
    refuseRule(
      where,
      text,
      `'${formatAddress(first, width)}/${length}' for the block, or '${base}' for the address alone`,
    )
  }
  return { first, last: fill(first, length + 128 - width) }
}

/** Compares two addresses, for sorting. */
function compareAddresses(one: Address, other: Address): number {
  for (let word = 0; word < 4; word += 1) {
    const difference = (one[word] ?? 0) - (other[word] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** Creates a test whether an address is in one of these blocks. Its cost is logarithmic in the number of blocks. */
export function createBlockTest(blocks: readonly AddressBlock[]): (address: Address) => boolean {
  // Two blocks are disjoint, or one contains the other.
  const sorted = blocks.toSorted(
    (one, other) => compareAddresses(one.first, other.first) || compareAddresses(other.last, one.last),
  )
  const outer: AddressBlock[] = []
  for (const block of sorted) {
    const last = outer.at(-1)
    if (last === undefined || compareAddresses(block.first, last.last) > 0) outer.push(block)
  }
  return (address) => {
    let low = 0
    let high = outer.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const block = outer[middle]
      if (block === undefined) return false
      if (compareAddresses(address, block.first) < 0) high = middle - 1
      else if (compareAddresses(address, block.last) > 0) low = middle + 1
      else return true
    }
    return false
  }
}

function readV4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    // Some parsers read a leading zero as octal.
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

function mapV4(value: number | undefined): Address | undefined {
  return value === undefined ? undefined : [0, 0, mapped, value]
}

const mapped = 0xffff

function readV6(text: string): Address | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = readGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? readGroups(halves[1] ?? '', true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  const word = (index: number): number => (groups[index * 2] ?? 0) * 65_536 + (groups[index * 2 + 1] ?? 0)
  return [word(0), word(1), word(2), word(3)]
}

/** Returns the 16-bit groups of part of an IPv6 address. Only the last two can be written as an IPv4 address. */
function readGroups(text: string, isEnd: boolean): readonly number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const v4 = isEnd && index === parts.length - 1 ? readV4(part) : undefined
    if (v4 === undefined) return undefined
    groups.push(Math.floor(v4 / 65_536), v4 % 65_536)
  }
  return groups
}

function cut(address: Address, length: number): Address {
  return mapWords(address, length, (word, mask) => (word & mask) >>> 0)
}

function fill(address: Address, length: number): Address {
  return mapWords(address, length, (word, mask) => (word | ~mask) >>> 0)
}

function mapWords(address: Address, length: number, map: (word: number, mask: number) => number): Address {
  const at = (index: 0 | 1 | 2 | 3): number => {
    const bits = Math.min(32, Math.max(0, length - index * 32))
    // A shift by 32 would be a shift by 0.
    return map(address[index], bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0)
  }
  return [at(0), at(1), at(2), at(3)]
}

function formatAddress(address: Address, width: number): string {
  if (width === 32) return [24, 16, 8, 0].map((shift) => (address[3] >>> shift) & 255).join('.')
  const groups = address.flatMap((word) => [word >>> 16, word & 0xffff])
  const text = groups.map((group) => group.toString(16)).join(':')
  // The longest run of zeros is left out (RFC 5952 §4.2).
  const runs = Array.from(text.matchAll(/\b0(?::0)+\b/g)).toSorted((one, other) => other[0].length - one[0].length)
  const [run] = runs
  if (run === undefined) return text
  const before = text.slice(0, run.index).replace(/:$/, '')
  return `${before}::${text.slice(run.index + run[0].length).replace(/^:/, '')}`
}
