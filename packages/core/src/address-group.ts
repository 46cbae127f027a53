import { isIPv6 } from 'node:net'

/**
 * Returns the key by which a client's addresses are counted: the address itself for IPv4, including IPv4 mapped to
 * IPv6. For IPv6 it is the first 64 bits, because one host may use all addresses of a /64 (RFC 4291 §2.5.4). Unknown
 * addresses share one key.
 */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return ''
  const [plain = ''] = address.split('%', 1)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (mapped !== undefined || !isIPv6(plain)) return mapped ?? plain
  const [head = '', tail] = plain.split('::', 2)
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  // A trailing IPv4 address fills two groups.
  const missing = 8 - before.length - after.length - (plain.includes('.') ? 1 : 0)
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
