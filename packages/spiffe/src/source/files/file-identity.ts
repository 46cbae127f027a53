import type { BigIntStats } from 'node:fs'

/**
 * Returns a text that stays equal until a file is replaced or written, or its mode changes, as far as its file system
 * reports it.
 */
export function describeIdentity({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
}
