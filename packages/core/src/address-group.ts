import { isIPv6 } from 'node:net'

/**
 * Returns what the addresses of one client have in common, to count by: an IPv4 address itself, also where it is mapped
 * to IPv6, and the first 64 bits of an IPv6 address, because a single host may use all that follow (RFC 4291 §2.5.4).
 * An address that is not known is a group of its own.
 */
export function addressGroup(address: string | undefined): string {
  if (address === undefined) return ''
  const [plain = ''] = address.split('%', 1)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (mapped !== undefined || !isIPv6(plain)) return mapped ?? plain
  const [head = '', tail] = plain.split('::', 2)
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  // An IPv4 address at the end stands for two groups.
  const missing = 8 - before.length - after.length - (plain.includes('.') ? 1 : 0)
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
